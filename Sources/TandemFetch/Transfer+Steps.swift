/// What the caller asks, one step at a time.
extension Transfer {
    /// nil when it is not there yet. Throws what ended the transfer before it was.
    func headIfKnown() throws -> ResponseHead? {
        if let head { return head }
        if case .failed(let error) = ending { throw error }
        interest = .head
        return nil
    }

    /// Whether the whole answer has arrived. Throws what ended the transfer before that.
    func isOver() throws -> Bool {
        switch ending {
        case .complete: return true
        case .failed(let error): throw error
        case nil:
            interest = .end
            return false
        }
    }

    /// Whether libcurl has done with it, well or not.
    var hasEnded: Bool { ending != nil }

    /// What of the body has arrived; nil at its end. Throws what ended the transfer, after what arrived before that.
    func piece() throws -> Step<[UInt8]?> {
        if body.count == 0 { unfold() }
        let piece = body.drain()
        if !body.holdsMore { resume() }
        if !piece.isEmpty { return .done(piece) }
        switch ending {
        case .complete where body.isCutOff: throw cutOff
        case .complete: return .done(nil)
        case .failed(let error): throw error
        case nil:
            interest = .piece
            return .mustWait
        }
    }

    /// What found no room when it arrived may turn out only now to be too much, or not to be what it says.
    private func unfold() {
        let error: FetchError
        switch body.unfold() {
        case .taken, .full: return
        case .overLimit: error = tooLarge
        case .malformed: error = malformed
        }
        if ending == nil { abandon(error) }
        ending = .failed(error)
    }

    /// Drops the body, read and unread.
    func discardBody() {
        body.discard()
        resume()
    }

    /// The whole body, once it is over.
    func wholeBody() -> [UInt8] { body.drain() }

    /// Bytes that wait to be read.
    var buffered: Int { body.count }

    /// Whether nothing of an answer has arrived, so that the server may not have seen the request at all.
    var isUnanswered: Bool { !headReader.hasBegun }
}
