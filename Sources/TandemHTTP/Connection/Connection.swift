internal import HTTPTypes
internal import HTTPWire
internal import Logging
internal import Tandem
internal import TandemTLS

// @unchecked: used on one hub, in one task at a time; the Descriptor underneath checks that.
/// A client's connection. It reads requests one after the other, and answers each through an `Exchange`.
///
/// | state | timer | bytes arrive | the client half-closes | the client resets | `drain` | `cut` | next |
/// | --- | --- | --- | --- | --- | --- | --- | --- |
/// | `refusing` | the wait's: `writeTimeout` | stay in the socket | nothing | end | nothing | end | `lingering` |
/// | `handshake` | the wait's: `handshakeTimeout` | the handshake goes on | end | end | end, if the server waits to read | end | `idle`, `lingering` |
/// | `idle` | `restsAfter`, then `atRest`; `idleTimeout` if sooner, then end | a head, or a part of one | end | end | a last look, end | end | `head`, `handling`, `atRest` |
/// | `atRest` | `idleTimeout`, then end | `idle`, a task | `idle`, a task, end | `idle`, a task, end | `idle`, a task, a last look, end | `idle`, a task, end | `idle` |
/// | `head` | `headerTimeout`, then 408 | `handling` once complete | end | end | answer, end | end | `handling` |
/// | `handling` | `halfCloseGrace` once half-closed, then cancel; the waits': `bodyTimeout`, `writeTimeout` | the handler reads its body | start the grace | cancel | answer, end | cancel, end | `finishing` |
/// | `finishing` | the waits': `writeTimeout`; `bodyTimeout` and in all `lingerTimeout` for an unread body | an unread body is dropped | nothing; end while a body is dropped | end | answer, end | cancel, end | `handling` for a stream or the next request, `head`, `idle`, `lingering` |
/// | `lingering` | the wait's: `lingerTimeout`, or 1 s of silence | dropped | end | end | nothing | end | |
///
/// A request that cannot be parsed, a head or an unread body that takes too long, and the last request lead to `lingering`.
/// When the transport fails, the connection ends without an answer. Under TLS the read of a head may have to wait until the
/// client takes bytes, for at most `writeTimeout`. `wire.mustClose` is never cleared. It is set by the last request, by a
/// refusal, by an answer that cannot be sent or ends with the connection, by a body after which nothing more can be read, by
/// `drain` and by `cut`.
///
/// A connection at rest has no task: it is an object and a descriptor that waits for a byte. After it wakes, the server starts a
/// task. A connection borrows buffers only while something waits in them, and a stack only for a blocking handler.
final class Connection: @unchecked Sendable {
    enum State { case refusing, handshake, idle, atRest, head, handling, finishing, lingering }

    /// Why the loop over requests ends.
    private enum LoopExit {
        /// A handler kept a copy of the logger. `run` makes another exchange, so that the copy continues to name its own request.
        case rebind
        /// No bytes have arrived for a while. The connection continues without a task.
        case rest
        /// The client has been answered, and may still be sending.
        case linger
        case end
    }

    /// The time for which a connection is idle before it is at rest, in nanoseconds. A client that has sent a second request is
    /// likely to send more, and a request that wakes a connection from rest costs a task. A client that connects for one request
    /// does not hold a task for long.
    private var restsAfter: UInt64 { served > 1 ? 1_000_000_000 : 100_000_000 }

    let context: ServingContext
    private let hub: Hub
    let wire: Wire
    let peer: Peer
    /// The key under which this client counts toward the per-peer limit, when there is one.
    let network: PeerNetwork?
    /// The task that runs the connection; nil at rest, and until the server has started a task after the connection wakes.
    @exclusivity(unchecked) var task: Task<Void, any Error>?

    @exclusivity(unchecked) private(set) var state: State
    /// Why the handler was cancelled, for the log.
    @exclusivity(unchecked) private(set) var cancelReason: String?
    /// The time when the last request ended, or the connection began, in nanoseconds of the hub's clock.
    @exclusivity(unchecked) private(set) var idleSince: UInt64
    /// Whether the client has half-closed, or has gone.
    @exclusivity(unchecked) private var hasPeerChanged = false
    /// The number of requests so far.
    @exclusivity(unchecked) private var served = 0
    @exclusivity(unchecked) private var parser: RequestHeadParser
    /// The exchange; nil at rest, and before the connection can take its first request.
    @exclusivity(unchecked) private var exchange: Exchange?

    @exclusivity(unchecked) private var isCut = false
    /// The timer of `idle`, `atRest`, `head` and `handling`. In the other states each wait has a separate deadline.
    @exclusivity(unchecked) private var deadline = MovingDeadline()

    init(
        _ context: ServingContext, _ descriptor: Descriptor, _ session: TLSSession?, _ address: SocketAddress,
        network: PeerNetwork?
    ) {
        self.context = context
        hub = context.hub
        self.network = network
        wire = Wire(descriptor, session, context.buffers)
        peer = Peer(address, draining: context.draining, tls: session)
        state = session == nil ? .idle : .handshake
        idleSince = context.hub.turnTime
        parser = RequestHeadParser(limits: context.settings.wireLimits)
    }

    /// Whether the connection waits for its client to begin, and may give way to another connection.
    var isIdle: Bool { state == .idle || state == .atRest || state == .handshake }

    // MARK: Life

    /// Serves requests. Returns false when the connection has closed. Returns true when there is nothing to do; the caller then
    /// calls `rest(until:)`, and calls `run` again after the connection wakes. Never throws: an error ends this connection only.
    func run() async -> Bool {
        wire.descriptor.onPeerChange = { [unowned self] in peerChanged($0) }
        hasPeerChanged = !wire.descriptor.peer.isEmpty
        do {
            if state == .handshake { try await handshake() }
            serving: while true {
                let exchange = Exchange(self)
                self.exchange = exchange
                switch try await withLogger(exchange.logger, { _ in try await serveRequests(exchange) }) {
                case .rebind: if hub.charge() { await hub.giveWay() }
                case .rest:
                    self.exchange = nil
                    return true
                case .linger:
                    try await wire.flush(timeout: context.settings.writeTimeout)
                    await linger()
                    break serving
                case .end:
                    // Send the answers that would be sent at the end of the turn.
                    if wire.unsent > 0 { try await wire.flush(timeout: context.settings.writeTimeout) }
                    break serving
                }
            }
        } catch {
            if !hub.isCurrent { await abandon() }
            if let refusal = Refusal(to: error) { await refuse(refusal) }
        }
        close()
        return false
    }

    /// Prepares to refuse the client. The caller then calls `refuse`, in a task.
    func prepareToRefuse() {
        enter(.refusing)
        wire.mustClose = true
    }

    /// Answers with this error without reading a request, and ends the connection.
    func refuse(_ error: HTTPError) async {
        await refuse(Refusal(error))
        close()
    }

    /// Serves requests while the exchange's logger is bound as `Logger.current`.
    private func serveRequests(_ exchange: Exchange) async throws -> LoopExit {
        exchange.bindLogger()
        while true {
            switch try advance(exchange) {
            case .wait: await wire.descriptor.waitIgnoringCancellation(for: .readable)
            case .waitToWrite: try await wire.descriptor.wait(for: .writable, deadline: .after(context.settings.writeTimeout))
            case .flush: try await wire.flush(timeout: context.settings.writeTimeout)
            case .giveWay: await hub.giveWay()
            case .exit(let exit): return exit
            case .request:
                let remainder: Exchange.Remainder
                do {
                    let response: Response
                    try exchange.checkGreenThreads()
                    if exchange.isTraced {
                        response = try await exchange.answerTraced()
                    } else {
                        switch exchange.handler {
                        case .async(let handler): response = try await handler(exchange.request)
                        case .blocking(let handler):
                            response = try await blocking(name: exchange.name, line: 0) { try handler(exchange.request) }
                        }
                    }
                    // `run` abandons a connection whose handler has outlived the hub.
                    guard hub.isCurrent else { throw CancellationError() }
                    endHandling()
                    remainder = exchange.put(response)
                } catch {
                    guard hub.isCurrent else { throw error }
                    endHandling()
                    remainder = try put(failure: error, exchange)
                }
                if case .nothing = remainder { continue }
                do {
                    try await exchange.finish(remainder)
                } catch {
                    exchange.fail(error)
                    throw error
                }
            }
        }
    }

    private func put(failure error: any Error, _ exchange: Exchange) throws -> Exchange.Remainder {
        do {
            return try exchange.put(failure: error)
        } catch {
            exchange.fail(error)
            throw error
        }
    }

    private enum Step {
        /// An exchange has begun.
        case request
        case wait
        case waitToWrite
        case flush
        case giveWay
        case exit(LoopExit)
    }

    /// Reads the bytes that have arrived, begins the next request if its head is complete, and returns the next step. Does not
    /// wait.
    @inline(never)  // frame
    private func advance(_ exchange: Exchange) throws -> Step {
        if isCut { throw CancellationError() }
        let now = hub.turnTime
        // The previous pass of the loop has answered a request.
        if exchange.hasAnswered {
            if wire.mustClose { return .exit(.linger) }
            exchange.forgetAnswer()
            idleSince = now
            if exchange.isLoggerKept { return .exit(.rebind) }
            // This job has used up its share. A client that sends request after request must let others run.
            if hub.charge() { return .giveWay }
        }
        switch try wire.nextHead(&parser, reusing: &context.spareHead) {
        case .value(let head):
            served += 1
            if !head.keepAlive || context.isDraining || served >= context.maxRequests { wire.mustClose = true }
            beginHandling()
            exchange.begin(head, now: now)
            return .request
        case .end: return .exit(.end)
        case .nothing: return try advanceWithoutRequest()
        }
    }

    private func advanceWithoutRequest() throws -> Step {
        if wire.unsent > 0, try !wire.flushAvailable() { return .flush }
        if parser.hasStarted {
            if state != .head {
                enter(.head, until: hub.turnTime.after(context.settings.headerNanoseconds))
            } else if deadline.hasPassed {
                throw HTTPError(.requestTimeout, "the request's head took longer than \(context.settings.headerTimeout)")
            }
        } else {
            if wire.mustClose || context.isDraining { return .exit(.end) }
            let idleEnd = idleSince.after(context.idleNanoseconds)
            if deadline.hasPassed, state == .idle, wire.readDirection == .readable {
                return .exit(hub.turnTime >= idleEnd ? .end : .rest)
            }
            context.mayHaveIdle = true
            enter(.idle, until: min(idleEnd, idleSince &+ restsAfter))
        }
        return wire.readDirection == .readable ? .wait : .waitToWrite
    }

    // MARK: State

    /// Enters a state. Its timer fires at `time`, in nanoseconds of the hub's clock.
    private func enter(_ state: State, until time: UInt64 = .max) {
        self.state = state
        deadline.set(time) { HubTimer(on: hub) { [unowned self] in timerFired() } }
    }

    private func timerFired() {
        guard deadline.timerFired(hub.turnTime) else { return }
        switch state {
        case .handling: cancel("the client closed its side and the answer took longer than the grace")
        case .atRest: drain()
        // `advanceWithoutRequest` then finds that the deadline has passed.
        case .idle, .head: wire.descriptor.wakeReader()
        case .refusing, .handshake, .finishing, .lingering: break
        }
    }

    // MARK: TLS

    /// Completes the TLS handshake. Throws `CancellationError` when there is no client left to serve, and `HTTPError` for a
    /// client that speaks plain HTTP.
    private func handshake() async throws {
        guard let session = wire.session else { return }
        // A server that stops, or needs room, treats a handshake like an idle connection between requests.
        context.mayHaveIdle = true
        switch try await TLSHandshake(session, peer, context).run(while: { !self.wire.mustClose && !self.context.isDraining }) {
        case .completed:
            idleSince = hub.turnTime
            enter(.idle)
        case .plainHTTP:
            wire.dropTLS()
            enter(.idle)
            throw HTTPError(.badRequest, "this port speaks TLS: use https")
        case .refused:
            // The alert that gives the reason is on its way.
            await linger()
            throw CancellationError()
        case .ended: throw CancellationError()
        }
    }

    // MARK: A handler runs

    /// Marks the beginning of a handler, or of the code that streams its answer: a client that goes away now cancels it.
    func beginHandling() {
        enter(.handling)
        if hasPeerChanged { peerChanged(wire.descriptor.peer) }
    }

    func endHandling() { enter(.finishing) }

    /// Cancels the handler when the client has gone. A client that has sent FIN may still read the answer, so the handler then
    /// continues for `halfCloseGrace`.
    private func peerChanged(_ peer: Descriptor.PeerState) {
        hasPeerChanged = true
        guard state == .handling else { return }
        if peer.contains(.gone) {
            cancel("the client reset the connection")
        } else {
            enter(.handling, until: hub.turnTime.after(context.settings.graceNanoseconds))
        }
    }

    private func cancel(_ reason: String) {
        cancelReason = reason
        task?.cancel()
    }

    // MARK: At rest

    /// Enters `atRest`. Calls `wake` when a byte has arrived, the client has gone, the idle time is over, or the server stops.
    func rest(until wake: @escaping () -> Void) {
        enter(.atRest, until: idleSince.after(context.idleNanoseconds))
        wire.descriptor.whenReadable { [unowned self] in
            enter(.idle)
            wake()
        }
    }

    // MARK: Ending

    /// Ends the connection on behalf of the server. A busy connection ends after its answer; an idle one ends after a last look
    /// for a request that has just arrived.
    func drain() {
        wire.mustClose = true
        let isDropping = state == .finishing && exchange?.isUnderWay == false
        if isIdle || isDropping { wire.descriptor.wakeReader() }
    }

    /// Ends the connection on behalf of the server, whatever its state.
    func cut() {
        (isCut, wire.mustClose) = (true, true)
        // A connection that is at rest, or has just been woken, has no task. The server then cancels its next task.
        guard let task else { return drain() }
        task.cancel()
        wire.descriptor.wakeReader()
    }

    /// Closes the connection and never returns: the handler has outlived the hub, and the task is on another thread, where it must
    /// not touch what belongs to the hub.
    @inline(never)  // frame
    private func abandon() async {
        wire.descriptor.closeOnHub()
        await withUnsafeContinuation { (_: UnsafeContinuation<Void, Never>) in }
    }

    private func close() {
        deadline.end()
        exchange = nil
        wire.close()
    }

    /// Sends a refusal, unless the current request has been answered already. Then lingers.
    private func refuse(_ refusal: Refusal) async {
        wire.mustClose = true
        let hasAnswered = exchange?.hasAnswered == true
        guard hasAnswered || refusal.put(on: wire, isHead: parser.isHead, peer: peer, context) else { return }
        do {
            try await wire.flush(timeout: context.settings.writeTimeout)
            await linger()
        } catch {
            // The client has gone, so nothing is left to do.
        }
    }

    private func linger() async {
        enter(.lingering)
        await LingeringClose(wire, timeout: context.settings.lingerTimeout).run()
    }
}
