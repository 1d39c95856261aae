internal import Glibc
internal import HTTPTypes
internal import HTTPWire
internal import Logging
internal import Tandem
internal import Tracing

// @unchecked: used on its hub only, by the connection's task and by code that the handler runs in it.
/// One request, from its head to the last byte of its answer. A connection reuses its exchange for request after request.
///
///     begin(head)            the request is dispatched and observed
///     handler                answers, in its own style; `Connection` calls it
///     put(response)          the answer is written and sent; usually that is all
///     finish(remainder)      what has to wait: a stream, a client that reads slowly, an unread body
final class Exchange: @unchecked Sendable {
    /// The remaining work after an answer was put on the wire.
    enum Remainder {
        case nothing
        /// The connection has to wait, to send the answer or for the rest of the request's body.
        case wait
        /// The body of the answer is still to be written.
        case stream(AnswerStream)
    }

    /// The error for an answer that cannot be put on the wire. No part of the answer has been put there.
    struct Unsendable: Error {
        let reason: String
    }

    // The connection owns the exchange.
    private let connection: Unretained<Connection>
    private let context: ServingContext
    // Copied from the context: an object that is reached through two references is retained for each call.
    private let hub: Hub
    private let dispatcher: Dispatcher
    private let observer: RequestObserver
    private let migrations: HubMigrations
    private let wire: Wire
    private let peer: Peer
    private let observation: RequestObservation
    private let scope: RequestScope

    /// The route that answers; nil when the server itself does. The dispatcher owns the route, and no reload replaces the
    /// dispatcher.
    @exclusivity(unchecked) private var route: Unretained<Route>?
    /// An answer of the server's own; nil when a route answers.
    @exclusivity(unchecked) private var ownAnswer: Dispatcher.Target?
    /// The migration of the request's route; nil for a route with one handler, and between requests.
    @exclusivity(unchecked) private var migration: Unretained<MigrationState>?
    @exclusivity(unchecked) private var choice = MigrationState.Choice(isNew: false, chooser: .share)
    /// The sample, if the request is sampled.
    @exclusivity(unchecked) private var sample: ShadowSample?
    @exclusivity(unchecked) private var parameters = PathParameters() { didSet { hasParameters = !parameters.isEmpty } }
    @exclusivity(unchecked) private var hasParameters = false
    /// The request's body, and the handler's view of it; nil for a request without one, and between requests.
    @exclusivity(unchecked) private var body: (reader: BodyReader, request: RequestBody)?
    // The parts of the request's head that its answer depends on.
    @exclusivity(unchecked) private var isHead = false
    @exclusivity(unchecked) private var version = HTTPVersion.http11
    @exclusivity(unchecked) private var asksForKeepAlive = false
    /// Whether a request has begun and not ended.
    @exclusivity(unchecked) private(set) var isUnderWay = false
    /// Whether the head of an answer to this request has been put into the output.
    @exclusivity(unchecked) private(set) var hasAnswered = false
    /// `wire.bytesPut` when the request began, and when the head of its answer had been put.
    @exclusivity(unchecked) private var bytesPutBefore = 0
    @exclusivity(unchecked) private var bytesPutWithHead = 0

    init(_ connection: Connection) {
        self.connection = Unretained(connection)
        context = connection.context
        hub = context.hub
        dispatcher = context.dispatcher
        observer = context.observer
        migrations = context.migrations
        wire = connection.wire
        peer = connection.peer
        observation = RequestObservation(context.logger, peer)
        scope = observation.scope
    }

    // MARK: The logger of its requests

    /// The logger that is bound as `Logger.current` while requests are served.
    var logger: Logger { observation.logger }

    /// Records how many references the binding of `logger` holds. Call it inside the binding: `isLoggerKept` compares with it.
    func bindLogger() { observation.bind() }

    /// Whether a handler has kept a copy of `logger` beyond the last request. The copy must continue to name that request, so the
    /// next request takes another exchange.
    var isLoggerKept: Bool { observation.isKept }

    // MARK: Beginning

    /// Makes `hasAnswered` false again.
    func forgetAnswer() { hasAnswered = false }

    /// Dispatches a request that arrived at `now`, in nanoseconds of the hub's clock. The observer keeps its head in `scope`,
    /// from where `request` reads it.
    func begin(_ head: RequestHead, now: UInt64) {
        isUnderWay = true
        bytesPutBefore = wire.bytesPut
        bytesPutWithHead = bytesPutBefore
        isHead = head.isHead
        version = head.version
        asksForKeepAlive = head.asksForKeepAlive
        route = dispatcher.literalRoute(of: head, maxBodyBytes: context.maxBodyBytes) ?? dispatch(head)
        if let index = route.map({ $0 { $0.migrationIndex } }), index >= 0 { chooseHandler(index, head) }
        if !head.framing.isEmpty { beginBody(head) }
        observer.begin(observation, head, route: route, peer: peer, trustsID: context.trustsRequestID, now: now)
    }

    private func dispatch(_ head: RequestHead) -> Unretained<Route>? {
        let target = dispatcher.target(of: head, maxBodyBytes: context.maxBodyBytes)
        if target.closes { wire.mustClose = true }
        parameters = target.parameters
        ownAnswer = target.route == nil ? target : nil
        return target.route.map(Unretained.init)
    }

    /// Replaces the route of a migrating route's request by the variant that answers.
    @inline(never)
    private func chooseHandler(_ index: Int, _ head: RequestHead) {
        let state = migrations[index]
        migration = state
        guard let isNew = state({ $0.chooseFixed() }) else { return chooseHandler(by: state, head) }
        choice = MigrationState.Choice(isNew: isNew, chooser: .share)
        route = isNew ? state { $0.new } : state { $0.old }
    }

    @inline(never)
    private func chooseHandler(by state: Unretained<MigrationState>, _ head: RequestHead) {
        choice = state { $0.choose(head, peer, observer, trustsID: context.trustsRequestID) }
        route = choice.isNew ? state { $0.new } : state { $0.old }
        if choice.isSampled { addSample(state.object, head) }
    }

    @inline(never)
    private func addSample(_ state: MigrationState, _ head: RequestHead) {
        sample = migrations.sample(state, head, peer, answeredByNew: choice.isNew)
        if sample != nil { route = Unretained(choice.isNew ? state.route.sampledNew : state.route.sampledOld) }
    }

    private func beginBody(_ head: RequestHead) {
        let reader = BodyReader(head, wire, context)
        body = (reader, RequestBody(contentLength: head.contentLength, source: reader))
    }

    // MARK: Handling

    /// The request for its handler.
    var request: Request {
        Request(head: scope.head!, parameters: parameters, body: body?.request ?? context.noBody, peer: peer)
    }

    /// The handler that answers.
    var handler: Handler { if let route { route { $0.handler } } else { ownAnswer!.handler } }

    /// The handler's name, for messages.
    var name: GreenThreadName { if let route { route { $0.name } } else { ownAnswer!.name } }

    /// Throws 503 when the handler, or a middleware around it, needs a green thread and the hub has none left.
    func checkGreenThreads() throws(HTTPError) {
        let needsOne = if let route { route { $0.needsGreenThread } } else { ownAnswer!.handler.style == .blocking }
        if needsOne { try context.checkGreenThreads() }
    }

    /// Whether the request has a span, within which its handler has to run.
    var isTraced: Bool { observation.isTraced }

    /// Calls the handler within the request's span.
    func answerTraced() async throws -> Response {
        try await withSpan { try await handler.answer(request, name: name) }
    }

    /// Runs `body` within the request's span, if there is one. That span is the parent of the spans that `body` starts.
    private func withSpan<Success>(_ body: () async throws -> Success) async throws -> Success {
        guard isTraced, let context = observation.span?.context, !context.isEmpty else { return try await body() }
        return try await ServiceContext.withValue(context) { try await body() }
    }

    // MARK: Answering

    /// Writes an answer and sends as much of it as it can without waiting.
    @inline(never)  // frame
    func put(_ response: Response) -> Remainder { write(response) ?? completeOrWait() }

    /// Writes and sends the answer for an error that the handler threw. Throws when the client has gone.
    @inline(never)  // frame
    func put(failure error: any Error) throws -> Remainder { put(try answer(to: error)) }

    private func answer(to error: any Error) throws -> Response {
        if Task.isCancelled || hasClientGone { throw CancellationError() }
        // The connection failed first, and that made the handler throw.
        if let failure = wire.failure { throw failure }
        let answer = (error as? HTTPError) ?? HTTPError(.internalServerError, "internal server error")
        // A handler that throws any other status does so on purpose.
        if answer.status == .internalServerError {
            observation.error = error
            log(.error, "handler threw", ["error": "\(error)"])
        }
        return answer.response
    }

    /// Writes an answer, or 500 in place of one that cannot be sent. Sends an answer whose body is in memory at once, unless
    /// the next request has arrived already. Returns the stream that writes the body, if there is one.
    private func write(_ response: Response) -> Remainder? {
        do throws(Unsendable) {
            return try writeOrThrow(response)
        } catch {
            log(.error, "handler gave an answer that cannot be sent", ["error": "\(error.reason)"])
        }
        do throws(Unsendable) {
            return try writeOrThrow(HTTPError(.internalServerError, "internal server error").response)
        } catch {
            // Closing the connection is the only signal left.
            (wire.mustClose, hasAnswered) = (true, true)
            return nil
        }
    }

    private func writeOrThrow(_ response: Response) throws(Unsendable) -> Remainder? {
        let head = AnswerHead(status: response.status, fields: try encodedFields(of: response))
        switch response.body {
        case .bytes(let bytes):
            body?.reader.settleUnread()
            _ = try write(head, bytes, .length(bytes.count), sends: !isFollowed)
            return nil
        case .stream(let length, let code):
            if let length, length < 0 { throw Unsendable(reason: "the announced length is negative") }
            guard response.mayHaveBody, !isHead else {
                _ = try writeHead(head, length.map { .length($0) } ?? .chunked)
                return nil
            }
            return .stream(AnswerStream(head, code, length: length, self, wire, context))
        }
    }

    private func encodedFields(of response: Response) throws(Unsendable) -> EncodedFields {
        guard response.status.kind != .informational else {
            throw Unsendable(reason: "\(response.status.code) is an interim status, and the client would wait for the final one")
        }
        do throws(HTTPSerializeError) {
            return try (context.returnsRequestID ? response.adding(requestID: scope.id.description) : response).encodedFields()
        } catch {
            throw Unsendable(reason: "\(error)")
        }
    }

    /// Whether the next request has arrived already. The server then sends its answer together with this one.
    private var isFollowed: Bool {
        wire.hasInput && isBodyComplete && !wire.mustClose && wire.unsent < BufferPool.bufferSize
    }

    private var isBodyComplete: Bool { if let body { body.reader.isComplete } else { true } }

    /// Writes the head of an answer whose body follows. Returns how the body is framed.
    func writeHead(_ head: AnswerHead, _ framing: ResponseFraming) throws(Unsendable) -> ResponseFraming {
        body?.reader.answerBegins(head.status)
        return try write(head, [], framing, sends: false)
    }

    /// Writes the head of an answer, followed by these bytes. Returns how the body is framed.
    private func write(
        _ head: AnswerHead, _ bytes: [UInt8], _ framing: ResponseFraming, sends: Bool
    ) throws(Unsendable) -> ResponseFraming {
        let framed: ResponseFraming
        do throws(HTTPSerializeError) {
            framed = try wire.put(
                head.status, head.fields, bytes,
                Wire.Framing(
                    framing: framing, version: version, isHead: isHead,
                    idleSeconds: asksForKeepAlive ? context.settings.idleSeconds : nil, date: context.date),
                sends: sends)
        } catch {
            throw Unsendable(reason: "\(error)")
        }
        observation.status = head.status.code
        hasAnswered = true
        bytesPutWithHead = wire.bytesPut - (framed == .none ? 0 : bytes.count)
        if framed == .untilClose { wire.mustClose = true }
        return framed
    }

    /// Sends the output and completes the exchange. If the next request has arrived, the output is sent at the end of the turn.
    /// Returns `wait` if the client does not take all of it at once, or if the request's body has not arrived.
    private func completeOrWait() -> Remainder {
        if wire.unsent > 0 {
            if isFollowed {
                context.flushLater(wire)
            } else {
                // A failure persists, so `finish` reports it.
                guard (try? wire.flushAvailable()) == true else { return .wait }
            }
        }
        guard isBodyComplete || wire.mustClose else { return .wait }
        complete()
        return .nothing
    }

    // MARK: Waiting

    /// Sends the rest of the answer, then drops the part of the request's body that the handler left unread.
    func finish(_ remainder: Remainder) async throws {
        if case .stream(let stream) = remainder {
            try await withSpan { try await run(stream) }
        }
        try await wire.flush(timeout: context.settings.writeTimeout)
        let reader = body?.reader
        complete()
        try await reader?.dropUnread()
    }

    /// Runs a stream. If it fails before its first bytes, the client gets the answer for that error.
    private func run(_ stream: AnswerStream) async throws {
        do {
            connection { $0.beginHandling() }
            defer { connection { $0.endHandling() } }
            if stream.isBlocking { try context.checkGreenThreads() }
            try await stream.run(name: name, draining: context.draining)
        } catch {
            try answerOrCut(stream, failed: error)
        }
    }

    /// Handles the failure of a stream. If the stream has not begun, answers with the error; otherwise throws, which cuts the
    /// answer.
    private func answerOrCut(_ stream: AnswerStream, failed error: any Error) throws {
        if stream.endsWithConnection { wire.mustReset = true }
        if Task.isCancelled || hasClientGone { throw CancellationError() }
        if !stream.hasBegun {
            _ = write(try answer(to: error))
            return
        }
        // Not an error in the log: a client could fill it by not reading, or by a body that is malformed, too long or too slow.
        let isClients = wire.failure != nil || (error as? HTTPError)?.status.kind == .clientError
        log(isClients ? .info : .error, "streamed answer cut short", ["error": "\(error)"])
        if isClients { observation.error = error }
        _ = try? wire.flushAvailable()
        // The missing end tells the client of the failure. A second answer must not follow.
        throw TandemError(.closed, "the answer was cut short")
    }

    /// Whether the client went away, which is not an error of the server.
    private var hasClientGone: Bool {
        wire.descriptor.peer.contains(.gone) || [EPIPE, ECONNRESET].contains(wire.failure?.errno)
    }

    // MARK: Ending

    /// Completes an exchange whose answer has been sent in full, or will be at the end of the turn.
    private func complete() {
        context.countAnswer()
        record(.completed)
    }

    /// Ends an exchange whose client has gone, or whose answer could not be sent in full.
    @inline(never)  // frame
    func fail(_ error: any Error) {
        guard isUnderWay else { return }
        let isCancelled = error is CancellationError || Task.isCancelled
        if observation.error == nil { observation.error = error }
        if isCancelled {
            let unasked = hasClientGone ? "the client went away while the answer was sent" : "the server stops"
            let reason = connection { $0.cancelReason } ?? unasked
            log(.info, "request cancelled", ["reason": "\(reason)"])
        }
        record(isCancelled ? .cancelled : .failed)
    }

    /// Counts and logs the request, and releases its resources.
    private func record(_ outcome: AccessLogEntry.Outcome) {
        isUnderWay = false
        if case .some(let state) = migration {
            migration = nil
            if observation.status >= 500 || outcome == .failed { countError(state, outcome) }
            if choice.isSampled { endSample(outcome) }
        }
        if case .some = ownAnswer { ownAnswer = nil }
        if hasParameters { parameters = PathParameters() }
        var received = 0
        if let body {
            received = body.reader.received
            body.request.end()
            self.body = nil
        }
        let head = observer.end(
            observation, outcome,
            .init(received: received, sent: wire.bytesPut - bytesPutBefore, sentHead: bytesPutWithHead - bytesPutBefore),
            peer: peer, hub: hub.index, log: context.logsAccess ? context.settings.accessLog : nil, now: hub.clockTime)
        if let head { context.spareHead = head }
    }

    /// Counts an error of a migrating route's handler.
    @inline(never)
    private func countError(_ state: Unretained<MigrationState>, _ outcome: AccessLogEntry.Outcome) {
        // Requests with the override field are tests, and do not count. An answer may also fail because of its client.
        let isClients = wire.failure != nil || (observation.error as? HTTPError)?.status.kind == .clientError
        guard choice.chooser == .share, observation.status >= 500 || !isClients else { return }
        if state({ $0.failed(isNew: choice.isNew, now: hub.turnTime) }) { migrations.reportTrip(state.object.route) }
    }

    /// Lets the shadow of a sampled request run.
    @inline(never)
    private func endSample(_ outcome: AccessLogEntry.Outcome) {
        guard let sample else { return }
        self.sample = nil
        peer.offer(nil)
        sample.answered(outcome, maxGreenThreads: context.settings.maxGreenThreads, isDraining: context.isDraining)
    }

    /// Writes a line about the request to the server's log.
    private func log(_ level: Logger.Level, _ message: Logger.Message, _ metadata: Logger.Metadata) {
        var metadata = metadata.merging(scope.metadata) { own, _ in own }
        metadata["http.target"] = "\(scope.head?.target ?? "")"
        metadata["peer"] = "\(peer.description)"
        context.logger.log(level: level, message, metadata: metadata)
    }
}
