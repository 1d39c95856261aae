internal import Glibc
internal import HTTPTypes
internal import HTTPWire
internal import Logging
internal import Tandem

/// Putting an answer on the wire.
extension Connection {
    /// The part of an answer that is still to be made.
    struct Streamed {
        let stream: ResponseStream
        let framing: ResponseFraming
    }

    /// Puts an answer into the output: all of it, or up to where its body is streamed. In place of one that cannot be sent,
    /// 500 is.
    ///
    /// Not inlined: an answer has no room in the frame of who waits for it and for its body.
    @inline(never)
    func put(_ response: Response, to request: Request, _ observation: RequestObservation) -> Streamed? {
        let failure: Unsendable
        do throws(Unsendable) {
            return try put(noted(response, observation), request.head, request.body)
        } catch {
            failure = error
        }
        do throws(Unsendable) {
            return try put(noted(substitute(for: failure, request.head), observation), request.head, request.body)
        } catch {
            // That nothing can be said, the end of the connection says.
            mustClose = true
            return nil
        }
    }

    private func put(_ response: Response, _ head: RequestHead, _ body: RequestBody) throws(Unsendable) -> Streamed? {
        switch response.body {
        case .bytes(let bytes):
            if !body.isComplete, body.isUnasked { mustClose = true }
            if !body.isComplete, (body.remaining ?? .max) > settings.configuration.drainLimit { mustClose = true }
            let framing = try write(response, .length(bytes.count), head)
            if framing != .none { append(bytes) }
            return nil
        case .stream(let length, let stream):
            // The stream may still read the body, and after the head it is too late to ask for it. What it leaves is dropped.
            if body.isUnasked {
                if response.status.kind == .successful { body.ask() } else { mustClose = true }
            }
            let framing = try write(response, length.map { .length($0) } ?? .chunked, head)
            if framing == .untilClose { mustClose = true }
            return framing == .none ? nil : Streamed(stream: stream, framing: framing)
        }
    }

    /// What will be sent, as the log and the client are told of it.
    private func noted(_ response: Response, _ observation: RequestObservation) -> Response {
        observation.status = response.status.code
        guard settings.returnsRequestID else { return response }
        var response = response
        response.headers[.xRequestID] = observation.id.description
        return response
    }

    /// Makes the rest of an answer, and sends it.
    func send(_ streamed: Streamed, _ head: RequestHead, name: GreenThreadName) async throws {
        try await flush()
        let writer = ResponseWriter(connection: self, framing: streamed.framing)
        try await stream(streamed.stream, to: writer, head, name: name)
    }

    private func stream(
        _ stream: ResponseStream, to writer: ResponseWriter, _ head: RequestHead, name: GreenThreadName
    ) async throws {
        do {
            beginWatching()
            defer { endWatching() }
            switch stream {
            case .async(let body): try await body(writer)
            case .blocking(let body): try await blocking(name: name) { try body(writer) }
            }
            guard try writer.finish() else {
                throw HTTPError(.internalServerError, "the body is shorter than its announced length")
            }
        } catch {
            if Task.isCancelled || lostClient(error) { throw CancellationError() }
            // A body that was malformed, too long or too slow is the client's doing: it must not fill the log.
            let isClients = (error as? HTTPError)?.status.kind == .clientError
            server.logger.log(
                level: isClients ? .info : .error, "streamed answer cut short",
                metadata: ["http.target": "\(head.target)", "peer": "\(remoteAddress)", "error": "\(error)"])
            // The client can tell by the missing end; a second answer must not follow.
            throw TandemError(.closed, "the answer was cut short")
        }
    }

    /// Whether a stream failed because its client went away, which is the client's right and no error of ours.
    private func lostClient(_ error: any Error) -> Bool {
        guard descriptor.peer.contains(.gone) || [EPIPE, ECONNRESET].contains((error as? TandemError)?.errno) else {
            return false
        }
        lostPeer = "the client went away while the answer was sent"
        return true
    }

    /// An answer that cannot be put on the wire; nothing of it has been.
    struct Unsendable: Error {
        let reason: String
    }

    /// Puts the head into the output.
    private func write(
        _ response: Response, _ framing: ResponseFraming, _ head: RequestHead
    ) throws(Unsendable) -> ResponseFraming {
        guard response.status.kind != .informational else {
            throw Unsendable(reason: "\(response.status.code) is an interim status, and the client would wait for the final one")
        }
        if case .length(..<0) = framing { throw Unsendable(reason: "the announced length is negative") }
        do throws(HTTPSerializeError) {
            return try writeHead(response.status, response.headers, framing, to: head)
        } catch {
            throw Unsendable(reason: "\(error)")
        }
    }

    /// What is sent in place of an answer that cannot be.
    private func substitute(for error: Unsendable, _ head: RequestHead) -> Response {
        server.logger.error(
            "handler gave an answer that cannot be sent",
            metadata: ["http.target": "\(head.target)", "error": "\(error.reason)"])
        return HTTPError(.internalServerError, "internal server error").response
    }

    /// Puts a head into the output: an answer to `head`, or to what was no request.
    func writeHead(
        _ status: HTTPResponse.Status, _ fields: HTTPFields, _ framing: ResponseFraming, to head: RequestHead?
    ) throws(HTTPSerializeError) -> ResponseFraming {
        let date = server.date()
        let keepAlive = !mustClose
        let idleSeconds = head?.asksForKeepAlive == true ? Int(settings.configuration.idleTimeout.components.seconds) : nil
        let written = try withOutput { output throws(HTTPSerializeError) in
            try ResponseSerializer.writeHead(
                status: status, fields: fields, framing: framing, version: head?.version ?? .http11,
                isHead: head.map { $0.method == .head } ?? parser.isHead, keepAlive: keepAlive, idleSeconds: idleSeconds,
                date: date, into: &output)
        }
        hasAnswered = true
        headBytes = output.written
        return written
    }

    /// Sends the answer: at the end of the turn, together with those behind it, when more requests are buffered.
    func deliver(_ body: RequestBody) async throws {
        if !input.isEmpty, body.isComplete, !mustClose, output.count < BufferPool.bufferSize {
            server.flushLater(self)
        } else {
            try await flush()
        }
    }
}
