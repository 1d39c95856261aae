internal import Glibc
internal import HTTPTypes
internal import HTTPWire
internal import Logging
internal import Tandem

// @unchecked: lives on one hub, in one task; the Descriptor underneath checks it.
/// One client's connection: reads requests one after the other, has them answered, writes the answers in order.
///
/// While it is idle it holds no stack and no buffer: `input` and `output` are lent by the hub's server.
final class Connection: @unchecked Sendable {
    let server: HubServer
    let descriptor: Descriptor
    private(set) lazy var remoteAddress = address.description
    private let address: SocketAddress
    var task: Task<Void, any Error>?

    /// The answer in the making will be the last on this connection.
    var mustClose = false
    /// The head of an answer to the present request has been put into the output.
    private(set) var hasAnswered = false
    /// Waiting for the first byte of a request.
    private(set) var isIdle = false

    private var parser: RequestHeadParser
    private var input = InputBuffer()
    private var output = OutputBuffer()
    /// A handler, or the closure that streams its answer, runs.
    private var handlerRuns = false
    private var graceTimer: HubTimer?
    private(set) var lostPeer: String?

    private var configuration: HTTPServerConfiguration { server.configuration }

    init(server: HubServer, descriptor: Descriptor, remoteAddress: SocketAddress) {
        self.server = server
        self.descriptor = descriptor
        address = remoteAddress
        parser = RequestHeadParser(limits: server.configuration.wireLimits)
    }

    // MARK: Life

    /// Serves until either side closes. Never throws: what goes wrong on a connection ends that connection.
    func run() async {
        descriptor.onPeerChange = { [unowned self] in peerChanged($0) }
        do {
            var served = 0
            while let head = try await nextHead() {
                try await serve(head)
                if mustClose { break }
                served += 1
                // A client whose requests never run dry shares the hub all the same. `Task.yield` would come back in this very
                // turn, before the hub has looked at its descriptors; a deadline that has passed comes back in the next.
                if served % 64 == 0 { try? await sleep(for: .nanoseconds(1)) }
            }
            try await flush()
            if hasAnswered { await lingerBeforeClose() }
        } catch let error as HTTPParseError {
            await refuse(.init(code: error.status), error.reason)
        } catch let error as HTTPError {
            await refuse(error.status, error.message)
        } catch {
            // Cancelled, reset, or too slow: nobody is left to tell.
        }
        close()
    }

    private func close() {
        graceTimer?.disarm()
        graceTimer = nil
        descriptor.close()
        output.release(to: server.buffers)
        input.release(to: server.buffers)
    }

    /// Ends the connection, from the server: after its answer when it is busy, and when it is idle after a last look for a
    /// request that has just arrived.
    func drain() {
        mustClose = true
        if isIdle { descriptor.wakeReader() }
    }

    // MARK: Heads

    /// The next request's head; nil when the client has ended, or has been idle for too long.
    private func nextHead() async throws -> RequestHead? {
        hasAnswered = false
        var headDeadline: Deadline?
        while true {
            if !input.isEmpty, let head = try input.parse(&parser) { return head }
            switch try receive() {
            case .some: continue
            case .end: return nil
            case .nothing: break
            }
            try await flush()
            if server.isDraining, !parser.hasStarted { return nil }
            if parser.hasStarted, headDeadline == nil { headDeadline = .after(configuration.headerTimeout) }
            isIdle = !parser.hasStarted
            defer { isIdle = false }
            do {
                try await descriptor.wait(for: .readable, deadline: headDeadline ?? .after(configuration.idleTimeout))
            } catch let error as TandemError where error.code == .timedOut {
                guard parser.hasStarted else { return nil }
                throw HTTPError(.requestTimeout, "the request's head took longer than \(configuration.headerTimeout)")
            }
        }
    }

    // MARK: One request

    private func serve(_ head: RequestHead) async throws {
        let start = configuration.accessLog == nil ? nil : SuspendingClock.now
        let body = RequestBody(
            connection: self, head: head, limit: configuration.maxBodyBytes, limits: configuration.wireLimits)
        output.written = 0
        mustClose = mustClose || !head.keepAlive || server.isDraining
        let (index, request, handler, name) = server.dispatch(head, body)
        // For the log, when nobody is left to answer.
        var status = 499
        do {
            let response = try await answer(to: request, from: handler, name: name)
            status = response.status.code
            do {
                try await send(response, head, body, name: name)
            } catch let error as Unsendable {
                status = 500
                try await send(substitute(for: error, head), head, body, name: name)
            }
            try await deliver(body)
            server.answered()
            log(head, index, status, .completed, since: start)
        } catch {
            let isCancelled = error is CancellationError || Task.isCancelled
            log(head, index, status, isCancelled ? .cancelled : .failed, since: start)
            if isCancelled {
                server.logger.info(
                    "request cancelled",
                    metadata: [
                        "http.target": "\(head.target)", "peer": "\(remoteAddress)",
                        "reason": "\(lostPeer ?? "the server stops")",
                    ])
            }
            throw error
        }
        try await dropRest(of: body)
    }

    /// What the handler answers, by returning or by throwing.
    private func answer(to request: Request, from handler: Handler, name: GreenThreadName) async throws -> Response {
        do {
            beginWatching()
            defer { endWatching() }
            return try await handler.answer(request, name: name)
        } catch {
            return try answer(to: error, request.head)
        }
    }

    /// The answer to a handler that threw. Rethrows when nobody is left to answer.
    private func answer(to error: any Error, _ head: RequestHead) throws -> Response {
        if Task.isCancelled { throw error }
        if let error = error as? HTTPError { return error.response }
        server.logger.error(
            "handler threw", metadata: ["http.target": "\(head.target)", "peer": "\(remoteAddress)", "error": "\(error)"])
        return HTTPError(.internalServerError, "internal server error").response
    }

    private func send(_ response: Response, _ head: RequestHead, _ body: RequestBody, name: GreenThreadName) async throws {
        switch response.body {
        case .bytes(let bytes):
            if !body.isComplete, body.isUnasked { mustClose = true }
            if !body.isComplete, (body.remaining ?? .max) > configuration.drainLimit { mustClose = true }
            let framing = try write(response, .length(bytes.count), head)
            if framing != .none { append(bytes) }
        case .stream(let length, let stream):
            // The stream may still read the body, and after the head it is too late to ask for it. What it leaves is dropped.
            if body.isUnasked {
                if response.status.kind == .successful { body.ask() } else { mustClose = true }
            }
            let framing = try write(response, length.map { .length($0) } ?? .chunked, head)
            if framing == .untilClose { mustClose = true }
            try await flush()
            guard framing != .none else { return }
            let writer = ResponseWriter(connection: self, framing: framing)
            try await self.stream(stream, to: writer, head, name: name)
        }
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
            server.logger.error(
                "streamed answer cut short",
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
    private struct Unsendable: Error {
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
            return try writeHead(
                response.status, response.headers, framing, version: head.version, isHead: head.method == .head)
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

    private func writeHead(
        _ status: HTTPResponse.Status, _ fields: HTTPFields, _ framing: ResponseFraming, version: HTTPVersion, isHead: Bool
    ) throws(HTTPSerializeError) -> ResponseFraming {
        let date = server.date()
        let keepAlive = !mustClose
        let written = try withOutput { output throws(HTTPSerializeError) in
            try ResponseSerializer.writeHead(
                status: status, fields: fields, framing: framing, version: version, isHead: isHead, keepAlive: keepAlive,
                date: date, into: &output)
        }
        hasAnswered = true
        return written
    }

    /// Sends the answer: at the end of the turn, together with those behind it, when more requests are buffered.
    private func deliver(_ body: RequestBody) async throws {
        if !input.isEmpty, body.isComplete, !mustClose, output.count < BufferPool.bufferSize {
            server.flushLater(self)
        } else {
            try await flush()
        }
    }

    /// Reads and drops what the handler left of the body, if it is short; else the connection has to be closed.
    private func dropRest(of body: RequestBody) async throws {
        guard !mustClose, !body.isComplete else { return }
        var dropped = 0
        while let piece = try await body.read() {
            dropped += piece.count
            guard dropped <= configuration.drainLimit else {
                mustClose = true
                return
            }
        }
    }

    private func log(
        _ head: RequestHead, _ index: Int?, _ status: Int, _ outcome: AccessLogEntry.Outcome,
        since start: SuspendingClock.Instant?
    ) {
        guard let start else { return }
        let route = index.map { server.routes.routes[$0] }
        configuration.accessLog?.record(
            AccessLogEntry(
                method: head.method, target: head.target, route: route?.pattern.description, style: route?.handler.style ?? .none,
                hub: server.hub.index, status: status, bytes: output.written, duration: start.duration(to: .now),
                remoteAddress: remoteAddress, outcome: outcome))
    }

    // MARK: Refusal

    /// Answers what could not be parsed, and closes. A request that has been answered already gets no second answer.
    private func refuse(_ status: HTTPResponse.Status, _ message: String) async {
        mustClose = true
        if !hasAnswered {
            output.written = 0
            let response = HTTPError(status, message).response
            guard case .bytes(let bytes) = response.body,
                (try? writeHead(status, response.headers, .length(bytes.count), version: .http11, isHead: false)) != nil
            else { return }
            append(bytes)
            configuration.accessLog?.record(
                AccessLogEntry(
                    method: nil, target: nil, route: nil, style: .none, hub: server.hub.index, status: status.code,
                    bytes: output.written, duration: .zero, remoteAddress: remoteAddress, outcome: .completed))
        }
        do {
            try await flush()
            await lingerBeforeClose()
        } catch {
            // The client has gone; the answer was all there was to do.
        }
    }

    /// Lets the client read the answer before the connection dies: closing with unread bytes in the receive buffer sends a
    /// reset, which can overtake the answer (RFC 9112, 9.6).
    private func lingerBeforeClose() async {
        guard !descriptor.peer.contains(.gone) else { return }
        shutdown(descriptor.fd, CInt(SHUT_WR))
        let deadline = Deadline.after(.seconds(1))
        var dropped = 0
        while dropped < 256 * 1024 {
            do {
                let got = try server.buffers.scratch { try descriptor.readAvailable(into: $0) }
                if got == 0 { return }
                if let got { dropped += got } else { try await descriptor.wait(for: .readable, deadline: deadline) }
            } catch {
                return
            }
        }
    }

    // MARK: The peer goes away

    private func peerChanged(_ peer: Descriptor.PeerState) {
        guard handlerRuns else { return }
        if peer.contains(.gone) {
            cancel("the client reset the connection")
        } else {
            watchHalfClosed()
        }
    }

    private func beginWatching() {
        handlerRuns = true
        watchHalfClosed()
    }

    private func endWatching() {
        handlerRuns = false
        graceTimer?.disarm()
    }

    /// A client that has sent FIN may still read the answer, or may be gone: it gets the grace to tell.
    private func watchHalfClosed() {
        guard !descriptor.peer.isEmpty else { return }
        if descriptor.peer.contains(.gone) { return cancel("the client reset the connection") }
        let timer =
            graceTimer
            ?? HubTimer(on: server.hub) { [unowned self] in
                if handlerRuns { cancel("the client closed its side and the answer took longer than the grace") }
            }
        graceTimer = timer
        timer.arm(.after(configuration.halfCloseGrace))
    }

    private func cancel(_ reason: String) {
        lostPeer = reason
        task?.cancel()
    }

    // MARK: Input

    /// How long a body may make no progress, from now.
    var bodyDeadline: Deadline { .after(configuration.bodyTimeout) }

    /// Takes in what has arrived, without waiting.
    func receive() throws(TandemError) -> InputBuffer.Received { try input.receive(from: descriptor, server.buffers) }

    /// Takes the next piece of a body out of the input.
    func decode(_ decoder: inout BodyDecoder) throws(HTTPParseError) -> (BodyStep, [UInt8]) { try input.decode(&decoder) }

    // MARK: Output

    func append(_ bytes: [UInt8]) { withOutput { $0.append(contentsOf: bytes) } }

    func withOutput<Result, Failure: Error>(_ body: (inout [UInt8]) throws(Failure) -> Result) throws(Failure) -> Result {
        try output.write(server.buffers, body)
    }

    /// Sends the output. Throws `CancellationError`, or `TandemError` when the client has gone or takes nothing for too long.
    func flush() async throws {
        while try !flushAvailable() {
            try await descriptor.wait(for: .writable, deadline: .after(configuration.writeTimeout))
        }
    }

    /// Sends the output; parks the green thread.
    @available(*, noasync)
    func flush(file: StaticString, line: UInt) throws {
        while try !flushAvailable() {
            try descriptor.wait(for: .writable, deadline: .after(configuration.writeTimeout), file: file, line: line)
        }
    }

    /// Sends what the kernel takes; returns whether that was all.
    func flushAvailable() throws(TandemError) -> Bool { try output.send(to: descriptor, server.buffers) }
}
