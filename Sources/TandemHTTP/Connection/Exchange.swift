internal import Glibc
internal import HTTPTypes
internal import HTTPWire
internal import Logging
internal import Tandem
internal import Tracing

// @unchecked: used on its hub only, by the connection's task and by what the handler runs within it.
/// One request, from its head to the last byte of its answer. A connection uses one for request after request.
///
///     begin(head)            the request is dispatched and observed
///     answer()               its handler answers, in its own style
///     put(response)          the answer is put on the wire; usually that is all
///     finish(rest)           what has to wait: a stream, a client that reads slowly, an unread body
final class Exchange: @unchecked Sendable {
    /// What is left to do after an answer was put on the wire.
    enum Rest {
        case nothing
        /// The answer, or the rest of the request's body, has to be waited for.
        case wait
        /// The body of the answer is written by this code.
        case stream(ResponseStream, length: Int?)
    }

    /// The head of an answer that streams: sent with the first bytes of its body.
    private struct StreamHead {
        let response: Response
        let framing: ResponseFraming
    }

    // The connection owns the exchange.
    private unowned(unsafe) let connection: Connection
    private let context: ServingContext
    // Of the context: what is reached through two references is retained for each call.
    private let hub: Hub
    private let dispatcher: Dispatcher
    private let observer: RequestObserver
    private let wire: Wire
    private let peer: Peer
    let observation: RequestObservation

    @exclusivity(unchecked) private var parameters = PathParameters() { didSet { hasParameters = !parameters.isEmpty } }
    @exclusivity(unchecked) private var hasParameters = false
    /// nil for a request without a body, and between requests.
    @exclusivity(unchecked) private var requestBody: RequestBody?
    /// An answer of the server's own; nil when a route answers.
    @exclusivity(unchecked) private var ownAnswer: Dispatcher.Target?
    /// A request has begun and not ended.
    @exclusivity(unchecked) private var isUnderWay = false
    /// The head of an answer to this request has been put into the output.
    @exclusivity(unchecked) private(set) var hasAnswered = false
    @exclusivity(unchecked) private var body: BodyReader
    @exclusivity(unchecked) private var streamHead: StreamHead?
    /// The writer has to let others run when it has flushed.
    @exclusivity(unchecked) private var givesWay = false
    /// How the answer's body is framed, once its head is out.
    @exclusivity(unchecked) private var framing = ResponseFraming.none
    /// `wire.put` when the request began, and when the head of its answer had been put.
    @exclusivity(unchecked) private var putBefore = 0
    @exclusivity(unchecked) private var putHead = 0

    init(_ connection: Connection) {
        self.connection = connection
        context = connection.context
        hub = context.hub
        dispatcher = context.dispatcher
        observer = context.observer
        wire = connection.wire
        body = BodyReader()
        peer = connection.peer
        observation = RequestObservation(context.logger, peer)
    }

    /// Whether the request has a span, within which its handler has to run.
    var isTraced: Bool { observation.isTraced }

    /// Prepares for the next request.
    func reset() { hasAnswered = false }

    // MARK: Beginning

    /// Dispatches a request, which has arrived at `now` by the hub's clock.
    @inline(never)
    func begin(_ head: RequestHead, now: UInt64) {
        isUnderWay = true
        hasAnswered = false
        putBefore = wire.put
        putHead = putBefore
        let route = dispatcher.usualRoute(of: head, maxBodyBytes: context.maxBodyBytes) ?? dispatch(head)
        if head.framing.isEmpty {
            if !body.isEmpty { body = BodyReader() }
        } else {
            body = BodyReader(head, context.settings)
            requestBody = RequestBody(contentLength: head.contentLength, source: self)
        }
        observer.begin(
            observation, head, route: route, peer: peer, trustsID: context.trustsRequestID, now: now)
    }

    private func dispatch(_ head: RequestHead) -> Route? {
        let target = dispatcher.target(of: head, maxBodyBytes: context.maxBodyBytes)
        if target.closes { wire.mustClose = true }
        parameters = target.parameters
        ownAnswer = target.route == nil ? target : nil
        return target.route
    }

    /// The request for its handler.
    var request: Request {
        Request(
            head: observation.scope.head!, parameters: parameters, body: requestBody ?? context.noBody, peer: peer)
    }

    /// Calls the handler within the request's span.
    func answerTraced() async throws -> Response {
        try await withSpan { try await handler.answer(request, name: name) }
    }

    /// Runs code as part of the request's span, if there is one: it is the parent of spans within.
    private func withSpan<Success>(_ body: () async throws -> Success) async throws -> Success {
        guard isTraced, let context = observation.span?.context, !context.isEmpty else { return try await body() }
        return try await ServiceContext.withValue(context) { try await body() }
    }

    /// The handler that answers.
    var handler: Handler { observation.scope.route?.handler ?? ownAnswer!.handler }

    /// Its name, for messages.
    var name: GreenThreadName { observation.scope.route?.name ?? ownAnswer!.name }

    /// Throws 503 when the handler, or a middleware around it, needs a green thread and the hub has none left.
    func checkGreenThreads() throws(HTTPError) {
        let needsOne = observation.scope.route?.needsGreenThread ?? (ownAnswer!.handler.style == .blocking)
        if needsOne { try context.checkGreenThreads() }
    }

    // MARK: Answering

    /// Puts an answer on the wire, as far as that needs no waiting.
    @inline(never)
    func put(_ response: Response) -> Rest { putIntoOutput(response) ?? send() }

    /// Puts the answer to a handler that threw on the wire. Rethrows when the client has gone.
    @inline(never)
    func put(failure error: any Error) throws -> Rest { put(try answer(to: error)) }

    private func answer(to error: any Error) throws -> Response {
        if Task.isCancelled { throw error }
        if let error = error as? HTTPError { return error.response }
        observation.error = error
        context.logger.error(
            "handler threw",
            metadata: [
                "http.target": "\(target)", "peer": "\(peer.description)", "error": "\(error)",
            ])
        return HTTPError(.internalServerError, "internal server error").response
    }

    /// Puts an answer into the output, or 500 in place of one that cannot be sent. Returns what has to be run for its body.
    private func putIntoOutput(_ response: Response) -> Rest? {
        do throws(Unsendable) {
            return try putOrThrow(response)
        } catch {
            context.logger.error(
                "handler gave an answer that cannot be sent",
                metadata: ["http.target": "\(target)", "error": "\(error.reason)"])
        }
        do throws(Unsendable) {
            return try putOrThrow(HTTPError(.internalServerError, "internal server error").response)
        } catch {
            // Closing the connection is the only signal left.
            wire.mustClose = true
            return nil
        }
    }

    /// An answer that cannot be put on the wire; nothing of it has been.
    private struct Unsendable: Error {
        let reason: String
    }

    private func putOrThrow(_ response: Response) throws(Unsendable) -> Rest? {
        guard response.status.kind != .informational else {
            throw Unsendable(reason: "\(response.status.code) is an interim status, and the client would wait for the final one")
        }
        switch response.body {
        case .bytes(let bytes):
            if !body.isComplete { settleUnreadBody() }
            try put(response, bytes, sends: !isFollowed)
            return nil
        case .stream(let length, let stream):
            if let length, length < 0 { throw Unsendable(reason: "the announced length is negative") }
            let framing = length.map { ResponseFraming.length($0) } ?? .chunked
            guard response.mayHaveBody, observation.scope.head?.isHead != true else {
                askForBody(response.status)
                try put(response, framing: framing, sends: false)
                return nil
            }
            do throws(HTTPSerializeError) { _ = try response.encodedFields() } catch { throw Unsendable(reason: "\(error)") }
            observation.status = response.status.code
            streamHead = StreamHead(response: response, framing: framing)
            return .stream(stream, length: length)
        }
    }

    /// Whether the next request has arrived already: then its answer is sent together with this one.
    private var isFollowed: Bool {
        wire.hasInput && body.isComplete && !wire.mustClose && wire.unsent < BufferPool.bufferSize
    }

    /// Keeps the connection when what the handler left of the body is short, or has arrived already; else it has to close.
    private func settleUnreadBody() {
        guard !body.owesContinue else { return wire.mustClose = true }
        let limit = context.settings.drainLimit
        if let remaining = body.remaining {
            if remaining > limit { wire.mustClose = true }
        } else if !body.dropArrived(upTo: limit, from: wire) {
            wire.mustClose = true
        }
    }

    /// A client that waits to be told to send the body is told before the head of the answer: afterwards it is too late, and
    /// a stream may still read the body.
    private func askForBody(_ status: HTTPResponse.Status) {
        guard body.owesContinue else { return }
        if status.kind == .successful { ask() } else { wire.mustClose = true }
    }

    /// Puts the head of the answer into the output, and these bytes behind it.
    private func put(
        _ response: Response, _ bytes: [UInt8] = [], framing: ResponseFraming? = nil, sends: Bool
    ) throws(Unsendable) {
        let head = observation.scope.head!
        let framing = Wire.Framing(
            framing: framing ?? .length(bytes.count), version: head.version, isHead: head.isHead,
            idleSeconds: head.asksForKeepAlive ? context.settings.idleSeconds : nil, date: context.date)
        do throws(HTTPSerializeError) {
            let fields: EncodedFields
            if context.returnsRequestID {
                fields = try response.adding(observation.scope.id).encodedFields()
            } else {
                fields = try response.encodedFields()
            }
            self.framing = try wire.put(response.status, fields, bytes, framing, sends: sends)
        } catch {
            throw Unsendable(reason: "\(error)")
        }
        observation.status = response.status.code
        hasAnswered = true
        putHead = wire.put - (self.framing == .none ? 0 : bytes.count)
        if self.framing == .untilClose { wire.mustClose = true }
    }

    /// Sends an answer that is complete in the output: at the end of the turn, when more requests are buffered.
    private func send() -> Rest {
        if wire.unsent > 0 {
            if isFollowed {
                connection.flushLater()
            } else {
                // What fails here fails again in `finish`.
                guard (try? wire.flushAvailable()) == true else { return .wait }
            }
        }
        guard body.isComplete || wire.mustClose else { return .wait }
        complete()
        return .nothing
    }

    // MARK: What waits

    /// Does what is left of the answer, then reads and drops what is left of the request's body.
    func finish(_ rest: Rest) async throws {
        if case .stream(let stream, let length) = rest {
            try await withSpan { try await run(stream, length) }
        }
        try await wire.flush(timeout: context.settings.writeTimeout)
        complete()
        try await dropBody()
    }

    /// Runs a stream. When it fails before its first bytes, the client gets an answer of its own.
    private func run(_ stream: ResponseStream, _ length: Int?) async throws {
        let writer = ResponseWriter(self, contentLength: length, draining: context.draining)
        do {
            connection.beginHandling()
            defer { connection.endHandling() }
            if case .blocking = stream { try context.checkGreenThreads() }
            try await stream.write(to: writer, name: name)
            try writer.end()
            try putStreamHead()
            if framing == .chunked { wire.append(atMost: 5) { ResponseSerializer.writeLastChunk(into: &$0) } }
        } catch {
            _ = try? writer.end()
            try endStream(failed: error)
        }
    }

    @inline(never)
    private func endStream(failed error: any Error) throws {
        if Task.isCancelled || lostClient(error) { throw CancellationError() }
        if streamHead != nil {
            streamHead = nil
            _ = putIntoOutput(try answer(to: error))
            return
        }
        // A body that was malformed, too long or too slow is the client's doing: it must not fill the log.
        let isClients = (error as? HTTPError)?.status.kind == .clientError
        context.logger.log(
            level: isClients ? .info : .error, "streamed answer cut short",
            metadata: [
                "http.target": "\(target)", "peer": "\(peer.description)", "error": "\(error)",
            ])
        _ = try? wire.flushAvailable()
        // The client can tell by the missing end; a second answer must not follow.
        throw TandemError(.closed, "the answer was cut short")
    }

    /// Whether a stream failed because its client went away, which is the client's right and no error of ours.
    private func lostClient(_ error: any Error) -> Bool {
        guard wire.descriptor.peer.contains(.gone) || [EPIPE, ECONNRESET].contains((error as? TandemError)?.errno) else {
            return false
        }
        connection.cancelReason = "the client went away while the answer was sent"
        return true
    }

    /// Reads and drops what the handler left of the body, if it is short; else the connection has to be closed.
    private func dropBody() async throws {
        guard !wire.mustClose, !body.isComplete else { return }
        var dropped = 0
        while true {
            switch try nextPiece() {
            case .bytes(let piece):
                dropped += piece.count
                guard dropped <= context.settings.drainLimit else { return wire.mustClose = true }
            case .end: return
            case let reason: try await waitForPiece(reason)
            }
        }
    }

    // MARK: Ending

    /// The answer has been sent in full.
    private func complete() {
        context.countAnswer()
        end(.completed)
    }

    /// Ends an exchange whose client has gone, or whose answer could not be sent in full.
    @inline(never)
    func fail(_ error: any Error) {
        guard isUnderWay else { return }
        let isCancelled = error is CancellationError || Task.isCancelled
        if observation.error == nil { observation.error = error }
        let target = target
        streamHead = nil
        end(isCancelled ? .cancelled : .failed)
        guard isCancelled else { return }
        context.logger.info(
            "request cancelled",
            metadata: [
                "http.target": "\(target)", "peer": "\(peer.description)",
                "reason": "\(connection.cancelReason ?? "the server stops")",
            ])
    }

    private func end(_ outcome: AccessLogEntry.Outcome) {
        isUnderWay = false
        if case .some = ownAnswer { ownAnswer = nil }
        if hasParameters { parameters = PathParameters() }
        if let requestBody {
            requestBody.end()
            self.requestBody = nil
        }
        let head = observer.end(
            observation, outcome, .init(received: body.received, sent: wire.put - putBefore, sentHead: putHead - putBefore),
            peer: peer, hub: hub.index, log: context.logsAccess ? context.settings.accessLog : nil,
            now: hub.clockTime)
        if let head { context.spareHead = head }
    }

    /// The request's target, for the log.
    private var target: String { observation.scope.head?.target ?? "" }
}

// MARK: The request's body

extension Exchange: BodySource {
    func nextPiece() throws -> BodyPiece {
        if body.isComplete { return .end }
        if ask() { return .needsFlush }
        if hub.charge() { return .givesWay }
        do {
            return try body.next(from: wire)
        } catch {
            wire.mustClose = true
            // A client that resets ends its request: that it is cancelled says more than ECONNRESET.
            throw Task.isCancelled ? CancellationError() : error
        }
    }

    func waitForPiece(_ reason: BodyPiece) async throws {
        switch reason {
        case .needsFlush: try await wire.flush(timeout: context.settings.writeTimeout)
        case .givesWay: await giveWay()
        default:
            do {
                try await wire.descriptor.wait(for: wire.readDirection, deadline: .after(context.settings.bodyTimeout))
            } catch { throw bodyFailure(error) }
        }
    }

    @available(*, noasync)
    func waitForPiece(_ reason: BodyPiece, file: StaticString, line: UInt) throws {
        switch reason {
        case .needsFlush: try wire.flush(timeout: context.settings.writeTimeout, file: file, line: line)
        case .givesWay: giveWay(file: file, line: line)
        default:
            do {
                try wire.descriptor.wait(
                    for: wire.readDirection, deadline: .after(context.settings.bodyTimeout), file: file, line: line)
            } catch { throw bodyFailure(error) }
        }
    }

    /// The error for a reader whose wait failed.
    private func bodyFailure(_ error: any Error) -> any Error {
        guard let error = error as? TandemError, error.code == .timedOut else { return error }
        wire.mustClose = true
        return HTTPError(.requestTimeout, "the body made no progress for \(context.settings.bodyTimeout)")
    }

    /// Tells a client that waits for it to send the body, unless its answer has begun. Returns whether the message waits to
    /// be sent.
    @discardableResult
    private func ask() -> Bool {
        guard body.owesContinue else { return false }
        body.owesContinue = false
        guard !hasAnswered else { return false }
        wire.append(ResponseSerializer.continueResponse)
        return true
    }
}

// MARK: The answer's body

extension Exchange: AnswerSink {
    func put(_ bytes: [UInt8]) throws -> WriteStep {
        guard !bytes.isEmpty else { return .goesOn }
        try putStreamHead()
        switch framing {
        case .none: return .goesOn
        case .chunked:
            wire.append(atMost: bytes.count + ResponseSerializer.chunkRoom) {
                ResponseSerializer.writeChunk(bytes.span, into: &$0)
            }
        case .length, .untilClose: wire.append(bytes)
        }
        let isShareUsedUp = hub.charge(bytes: bytes.count)
        if wire.unsent >= BufferPool.bufferSize {
            givesWay = isShareUsedUp
            return .flushes
        }
        connection.flushLater()
        return isShareUsedUp ? .givesWay : .goesOn
    }

    func flush() async throws {
        try putStreamHead()
        try await wire.flush(timeout: context.settings.writeTimeout)
        guard givesWay else { return }
        givesWay = false
        await giveWay()
    }

    func giveWay() async { await hub.giveWay() }

    @available(*, noasync)
    func giveWay(file: StaticString, line: UInt) { hub.giveWay() }

    @available(*, noasync)
    func flush(file: StaticString, line: UInt) throws {
        try putStreamHead()
        try wire.flush(timeout: context.settings.writeTimeout, file: file, line: line)
        guard givesWay else { return }
        givesWay = false
        giveWay(file: file, line: line)
    }

    /// Puts the head of a streamed answer into the output, once.
    private func putStreamHead() throws {
        guard let head = streamHead else { return }
        streamHead = nil
        askForBody(head.response.status)
        try put(head.response, framing: head.framing, sends: false)
    }
}
