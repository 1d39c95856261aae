internal import HTTPTypes
internal import HTTPWire

/// The answer on a connection as far as it has been received: heads, framing and body by RFC 9112.
struct ReceivedAnswer {
    private enum Phase { case head, body, over }

    /// What an upstream may send beside the body. Larger heads than most servers accept, since cookies and policies of content
    /// are long; HTTPWire cannot keep more than 65,535 bytes of a head.
    static let limits = HTTPWireLimits(requestLine: 8192, fieldLine: 65_535, fieldCount: 512, headBytes: 65_535)
    /// Most interim answers (1xx) before the final one.
    private static let mostInterims = 32

    private var phase = Phase.head
    private var parser = ResponseHeadParser(limits: limits)
    private var decoder = BodyDecoder(framing: ResponseBodyFraming.none, limits: limits)
    private var framing = ResponseBodyFraming.none
    private var isHead = false
    private var keepsAlive = false
    private var interims = 0
    private var isFirst = true
    // What has arrived and has not been used: a part of a head, or what the reader has no room for.
    private var input: [UInt8] = []
    /// Whether bytes that have arrived can be used without others.
    private(set) var holdsBytes = false

    /// Gets ready for the answer to another request.
    mutating func begin(isHead: Bool) {
        self.isHead = isHead
        phase = .head
        interims = 0
        holdsBytes = false
    }

    var isInBody: Bool { phase == .body }

    /// Whether the end of the connection is the end of the answer.
    var endsWithConnection: Bool { phase == .body && framing == .untilClose }

    /// Whether the caller has room for what arrives.
    func canRead(_ transfer: Transfer) -> Bool { phase == .head || transfer.room > 0 }

    enum Outcome {
        /// More bytes are needed.
        case more
        /// The upstream wants the body of the request.
        case mayContinue
        /// The reader has to come first.
        case full
        /// The answer is complete. `isReusable` unless the answer or what came behind it forbids to use the connection again.
        case complete(isReusable: Bool)
        /// The transfer has refused the answer, and has ended.
        case refused
        /// This is no answer that can be understood.
        case failed(FetchError)
        /// The answer is not to this request: the upstream has closed the connection because nothing came for long.
        case isStale
    }

    /// Takes bytes as they arrive.
    mutating func take(_ bytes: UnsafeRawBufferPointer, for transfer: Transfer) -> Outcome {
        var used = 0
        holdsBytes = false
        guard !input.isEmpty else {
            let outcome = consume(bytes, &used, transfer)
            keep(bytes[used...], after: outcome)
            return outcome
        }
        var held = input
        input = []
        held.append(contentsOf: bytes)
        return held.withUnsafeBytes {
            let outcome = consume($0, &used, transfer)
            keep($0[used...], after: outcome)
            return outcome
        }
    }

    private mutating func keep(_ rest: Slice<UnsafeRawBufferPointer>, after outcome: Outcome) {
        guard !rest.isEmpty else { return }
        switch outcome {
        case .more: input = Array(rest)
        case .full, .mayContinue: (input, holdsBytes) = (Array(rest), true)
        case .complete, .refused, .failed, .isStale: break
        }
    }

    private mutating func consume(_ bytes: UnsafeRawBufferPointer, _ used: inout Int, _ transfer: Transfer) -> Outcome {
        while true {
            if phase == .head {
                guard used < bytes.count else { return .more }
                if let outcome = consumeHead(bytes, &used, transfer) { return outcome }
                continue
            }
            let room = transfer.room
            guard room > 0 || used == bytes.count else { return .full }
            let end = min(bytes.count, used.addingReportingOverflow(room).overflow ? .max : used + room)
            let step: BodyStep
            do throws(HTTPParseError) {
                step = try decoder.decode(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: bytes[used..<end])))
            } catch {
                return .failed(malformed(error, transfer))
            }
            let start = used
            used += step.consumed
            switch step.outcome {
            case .data(let range):
                let piece = UnsafeRawBufferPointer(rebasing: bytes[(start + range.lowerBound)..<(start + range.upperBound)])
                guard case .taken = transfer.receive(piece) else { return .refused }
                // The end of a body of known length is known with its last byte.
                if decoder.isComplete { return complete(surplus: bytes.count - used) }
            case .needMore:
                if used == bytes.count { return .more }
            case .end: return complete(surplus: bytes.count - used)
            }
        }
    }

    private mutating func complete(surplus: Int) -> Outcome {
        phase = .over
        isFirst = false
        return .complete(isReusable: keepsAlive && surplus == 0)
    }

    /// nil when it was a head after which the body, or another head, follows.
    private mutating func consumeHead(
        _ bytes: UnsafeRawBufferPointer, _ used: inout Int, _ transfer: Transfer
    ) -> Outcome? {
        let head: ResponseHead
        do throws(HTTPParseError) {
            guard let next = try parser.parse(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: bytes[used...]))) else {
                return .more
            }
            head = next
        } catch {
            return .failed(malformed(error, transfer))
        }
        used += head.byteCount
        guard head.status >= 200 else { return interim(head.status, transfer) }
        keepsAlive = head.keepsAlive(toHead: isHead)
        // RFC 9110 15.5.9: sent unasked by servers that close a connection on which nothing came.
        if head.status == 408, !isFirst, !keepsAlive { return .isStale }
        if head.status == 417, transfer.request.expectsContinue {
            return .failed(
                FetchError(.badRequest, "\(transfer.origin.text): answers 417: it knows no `Expect`; leave `expectsContinue` off")
            )
        }
        framing = head.framing(toHead: isHead)
        decoder = BodyDecoder(framing: framing, limits: ReceivedAnswer.limits)
        phase = .body
        guard transfer.receive(FetchHead(head)) else { return .refused }
        return framing == .none || framing == .length(0) ? complete(surplus: bytes.count - used) : nil
    }

    private mutating func interim(_ status: Int, _ transfer: Transfer) -> Outcome? {
        interims += 1
        guard interims <= ReceivedAnswer.mostInterims else {
            return .failed(
                FetchError(
                    .transfer, "\(transfer.origin.text): sends more than \(ReceivedAnswer.mostInterims) interim answers (1xx)"))
        }
        switch status {
        case 101: return .failed(FetchError(.transfer, "\(transfer.origin.text): switches protocols, which was not asked for"))
        case 100: return .mayContinue
        default: return nil
        }
    }

    private func malformed(_ error: HTTPParseError, _ transfer: Transfer) -> FetchError {
        let code: FetchError.Code =
            switch error.code {
            case .fieldLineTooLong, .tooManyFields, .fieldSectionTooLarge, .statusLineTooLong: .tooLarge
            default: .transfer
            }
        return FetchError(code, "\(transfer.origin.text): the answer cannot be used: \(error)\(limit(error.code))")
    }

    /// The limit that an answer exceeds, for the message.
    private func limit(_ code: HTTPParseError.Code) -> String {
        let limits = ReceivedAnswer.limits
        return switch code {
        case .statusLineTooLong: " At most \(limits.requestLine) bytes are read."
        case .fieldLineTooLong: " At most \(limits.fieldLine) bytes are read."
        case .fieldSectionTooLarge where phase == .body: " At most \(limits.trailerBytes) bytes of trailers are read."
        case .fieldSectionTooLarge: " At most \(limits.headBytes) bytes are read."
        case .tooManyFields: " At most \(limits.fieldCount) are read."
        case .chunkExtensionsTooLong:
            " At most \(limits.chunkExtensionBytes) bytes per chunk and \(limits.bodyExtensionBytes) per body are read."
        case .chunkSizeTooLarge: " At most \(limits.chunkSizeDigits) digits, and 63 bits, are read."
        default: ""
        }
    }
}
