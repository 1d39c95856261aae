internal import CCurl
internal import HTTPTypes

/// What arrives: libcurl's callbacks for the head and the body of the answer.
extension Transfer {
    func receive(headLine line: UnsafeRawBufferPointer) -> Bool {
        switch headReader.take(line) {
        case .incomplete: return true
        case .complete(let head): return receive(head)
        case .tooLarge:
            let limit = ResponseHeadReader.maxBytes
            return refuse(FetchError(.tooLarge, "\(url.origin): the head of the response is over \(limit) bytes"))
        case .malformed: return refuse(FetchError(.transfer, "\(url.origin): the answer has no valid status line"))
        }
    }

    private func receive(_ answer: ResponseHead) -> Bool {
        phases.enter(.receiving)
        // After an answer that refuses, libcurl sends no more, but it waits for a paused producer all the same.
        if answer.status.code >= 300, let upload {
            upload.close()
            if isSendingPaused { multi?.later { [weak self] in self?.resumeSending() } }
        }
        // 304 speaks of the length of what it does not send.
        if hasBody, answer.status.code != 304, let text = answer.headers[.contentLength], let length = Int(text), length > 0 {
            guard length <= body.limit else { return refuse(tooLarge) }
            body.expect(length)
        }
        // libcurl would decode what it has not asked for, five deep.
        if let coding = answer.codings(.transferEncoding).first(where: { $0 != "chunked" && $0 != "identity" }) {
            return refuse(
                FetchError(.transfer, "\(url.origin): the answer has the transfer coding `\(coding)`, which was not asked for"))
        }
        var answer = answer
        if decodes {
            guard prepareToDecode(answer) else { return false }
            answer.forgetCoding()
        }
        head = answer
        wake(.head)
        return true
    }

    private func prepareToDecode(_ answer: ResponseHead) -> Bool {
        let codings = answer.codings(.contentEncoding).filter { $0 != "identity" }
        // Decoders one behind the other multiply what a few bytes unfold to.
        guard codings.count <= 1 else {
            return refuse(
                FetchError(.transfer, "\(url.origin): the body has \(codings.count) codings; at most one is decoded"))
        }
        guard let name = codings.first else { return true }
        guard let coding = Inflater.Coding(name) else {
            return refuse(
                FetchError(
                    .transfer,
                    "\(url.origin): the body has the coding `\(name)`, but \(Inflater.accepted) are what is decoded; "
                        + "turn `decompresses` off to take it as it is"))
        }
        body.inflater = Inflater(coding)
        return true
    }

    func receive(bodyPiece piece: UnsafeRawBufferPointer) -> Int {
        switch body.take(piece) {
        case .taken:
            phases.madeProgress()
            wake(.piece)
            return piece.count
        case .full:
            isPaused = true
            return Int(CURL_WRITEFUNC_PAUSE)
        case .overLimit:
            refuse(tooLarge)
            return 0
        case .malformed:
            refuse(malformed)
            return 0
        }
    }
}
