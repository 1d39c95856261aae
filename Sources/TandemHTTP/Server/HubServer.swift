internal import Glibc
internal import HTTPWire
internal import Logging
internal import Tandem

// @unchecked: lives on one hub, and is used there only.
/// A server's part on one hub: its listeners, its connections, and the buffers that they borrow.
final class HubServer: @unchecked Sendable {
    let hub: Hub
    /// What is in force: swapped as a whole by `reload`. Boxed, so that what a request reads is one reference away, and nothing
    /// of it is copied.
    @exclusivity(unchecked) private(set) var settings: Settings
    let routes: RouteTable
    let logger: Logger
    let draining: Draining
    let observer: RequestObserver
    private(set) var isDraining = false
    private(set) var summary = StopSummary()

    let admission: Admission
    /// The most connections that the process has descriptors for.
    let mostConnections: Int
    /// Connections that are ending to make room.
    var givingWay = 0
    /// A connection has become idle since none was found.
    var mayHaveIdle = false
    /// Connections that are being told why they are not served.
    var refusing = 0
    var refusals: [Admission.Refusal: Throttle] = [:]
    var acceptFailures = Throttle()

    let acceptors: [Acceptor]
    let tls: TLSContexts
    var connections: [ObjectIdentifier: Connection] = [:]
    let connectionEnded = Parker(for: "connections to end")
    /// Connections at rest that have something to do.
    var woken: [Connection] = []
    let hasWoken = Parker(for: "connections at rest")
    private(set) var hasEnded = false
    let buffers = BufferPool()
    /// What answers a path that no route has.
    let notFound: Handler
    private var unflushed: [Connection] = []
    private var flushing: TurnEnd?
    private let server: HTTPServer
    private var stopTimer: HubTimer?
    private var drainAt = Deadline.never
    private var cutAt = Deadline.never
    private(set) var hasCut = false
    private var now = HTTPDate(unixSeconds: 0)

    /// Takes over listening sockets, also when it throws. On the hub's thread.
    init(
        hub: Hub, listening sockets: [ListeningSocket], tls: TLSContexts, routes: RouteTable,
        configuration: HTTPServerConfiguration, admission: Admission, server: HTTPServer
    ) throws {
        self.hub = hub
        self.admission = admission
        mostConnections = Admission.mostByDescriptors()
        settings = Settings(configuration)
        self.routes = routes
        self.server = server
        logger = server.logger
        draining = server.draining
        observer = RequestObserver(configuration.observing, routes: routes.routes, logger: server.logger)
        self.tls = tls
        var acceptors: [Acceptor] = []
        for (index, socket) in sockets.enumerated() {
            do throws(TandemError) {
                acceptors.append(try Acceptor(socket))
            } catch {
                for acceptor in acceptors { acceptor.close() }
                for socket in sockets[(index + 1)...] { socket.close() }
                throw error
            }
        }
        self.acceptors = acceptors
        notFound = routes.wrapped(.async { throw HTTPError(.notFound, "nothing is at \($0.path)") }, name: "not found")
        flushing = TurnEnd(on: hub) { [unowned self] in flushAll() }
        stopTimer = HubTimer(on: hub) { [unowned self] in advanceStop() }
    }

    var connectionCount: Int { connections.count }

    // MARK: Life

    /// Accepts until `stop`, then returns when every connection has ended. Cancelling its task cuts them.
    func run() async {
        let waker = Task(executorPreference: hub) { await self.serveWoken() }
        await withTaskGroup { tasks in
            for acceptor in acceptors { tasks.addTask { await self.accept(on: acceptor) } }
        }
        while !connections.isEmpty, !Task.isCancelled { try? await connectionEnded.park() }
        if !connections.isEmpty {
            cutAll()
            // A task that is cancelled cannot wait any more; another can.
            await Task(executorPreference: hub) { [self] in
                while !connections.isEmpty { try? await connectionEnded.park() }
            }.value
        }
        hasEnded = true
        hasWoken.unpark()
        await waker.value
        flushTimer = nil
        stopTimer = nil
    }

    // MARK: Stopping

    /// Puts another configuration into force.
    func reload(_ configuration: HTTPServerConfiguration) {
        // Let go after the access to the property.
        let old = settings
        settings = Settings(configuration)
        let stallThreshold = configuration.hub.stallThreshold
        if stallThreshold != old.configuration.hub.stallThreshold { hub.stallThreshold = stallThreshold }
    }

    /// Drains when the plan's delay is over, and cuts what is left at its end. An earlier plan may be shortened.
    func stop(_ plan: StopPlan) {
        drainAt = min(drainAt, .after(plan.delay))
        cutAt = min(cutAt, .after(plan.total))
        if !isDraining, drainAt.remaining == .zero { drain() }
        stopTimer?.arm(isDraining ? cutAt : drainAt)
    }

    private func advanceStop() {
        guard !isDraining else { return graceIsOver() }
        drain()
        stopTimer?.arm(cutAt)
    }

    /// Accepts no more, closes idle connections; busy ones close after their answer.
    private func drain() {
        for acceptor in acceptors { acceptBacklog(of: acceptor) }
        isDraining = true
        for acceptor in acceptors { acceptor.close() }
        server.drainingBegins()
        summary.idleConnections += connections.values.count { $0.isIdle }
        for connection in connections.values { connection.drain() }
    }

    private func graceIsOver() {
        guard !hasCut, !connections.isEmpty else { return }
        logger.warning("grace is over, connections cut", metadata: ["count": "\(connections.count)"])
        cutAll()
    }

    /// Cancels what still runs.
    private func cutAll() {
        if !hasCut { summary.connectionsCut += connections.count }
        hasCut = true
        for connection in connections.values {
            // What is at rest, or has just been woken, is cancelled as soon as it has a task.
            if let task = connection.task { task.cancel() } else { connection.drain() }
        }
    }

    /// An answer has been sent in full.
    func answered() {
        if isDraining { summary.requestsEnded += 1 }
    }

    // MARK: Sharing

    /// The second, formatted once a second.
    func date() -> HTTPDate {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME_COARSE, &time)
        if time.tv_sec != now.unixSeconds { now = HTTPDate(unixSeconds: time.tv_sec) }
        return now
    }

    // MARK: Writing together

    /// Sends this connection's output at the end of the hub's turn, together with what is answered until then.
    func flushLater(_ connection: Connection) {
        flushing?.arm()
        unflushed.append(connection)
    }

    private func flushAll() {
        for connection in unflushed {
            // What fails or is left over here, the connection's own next flush meets.
            _ = try? connection.flushAvailable()
        }
        unflushed.removeAll(keepingCapacity: true)
    }
}
