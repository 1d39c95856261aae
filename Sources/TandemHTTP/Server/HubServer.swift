internal import Glibc
internal import Logging
internal import Tandem
internal import TandemTLS

// @unchecked: used on one hub only.
/// A server's part on one hub: its listeners and its connections, from accepting to stopping.
final class HubServer: @unchecked Sendable {
    let hub: Hub
    /// The outcome of stopping so far.
    var summary: StopSummary {
        var summary = stopped
        summary.requestsEnded = context.answeredWhileDraining
        return summary
    }

    private var configuration: HTTPServerConfiguration
    private let context: ServingContext
    private let gate: Gate
    private let tls: TLSContexts
    private var acceptors: [Acceptor] = []
    private var connections: [ObjectIdentifier: Connection] = [:]
    private let connectionEnded = Parker(for: "connections to end")
    /// Connections that have woken from rest and have no task yet.
    private var woken: [Connection] = []
    private let hasWoken = Parker(for: "connections at rest")
    private var hasEnded = false
    private var hasCut = false

    private var stopped = StopSummary()
    private var stopTimer: HubTimer?
    private var drainAt = Deadline.never
    private var cutAt = Deadline.never
    /// The event that this hub drains, for its handlers. After it, connections close after their answer.
    private let drained = Event<Void>()
    private let drainingBegins: () -> Void

    /// Takes ownership of the listening sockets, also when it throws. Call it on the hub's thread.
    ///
    /// - Parameter drainingBegins: Called when this part begins to drain.
    init(
        hub: Hub, listening sockets: [ListeningSocket], tls: TLSContexts, dispatcher: Dispatcher,
        configuration: HTTPServerConfiguration, admission: Admission, logger: Logger,
        drainingBegins: @escaping () -> Void
    ) throws {
        self.hub = hub
        self.configuration = configuration
        self.tls = tls
        self.drainingBegins = drainingBegins
        context = ServingContext(
            hub: hub, settings: ConnectionSettings(configuration), dispatcher: dispatcher,
            observer: RequestObserver(configuration.observing, routes: dispatcher.routes.routes), logger: logger,
            draining: Draining(drained))
        context.migrations.use(configuration.migrations)
        gate = Gate(admission, context)
        for (index, socket) in sockets.enumerated() {
            do throws(TandemError) {
                acceptors.append(try Acceptor(socket, logger) { [unowned self] in admit($0, $1, isTLS: $2) })
            } catch {
                for acceptor in acceptors { acceptor.close() }
                for socket in sockets[(index + 1)...] { socket.close() }
                throw error
            }
        }
        stopTimer = HubTimer(on: hub) { [unowned self] in advanceStop() }
    }

    var connectionCount: Int { connections.count }

    /// The state of the migrating routes on this hub. Any thread.
    let migrations = PublishedMigrations()

    /// Publishes the state of the migrating routes.
    func publishMigrations() { migrations.publish(context.migrations.snapshot) }

    // MARK: Life

    /// Accepts until `stop`, then returns when every connection has ended. Cancelling its task cuts the connections.
    func run() async {
        let waker = Task(executorPreference: hub) { await self.resumeWoken() }
        await withTaskGroup { tasks in
            for acceptor in acceptors { tasks.addTask { await acceptor.run() } }
        }
        while !connections.isEmpty, !Task.isCancelled { try? await connectionEnded.park() }
        if !connections.isEmpty {
            cutAll()
            // A cancelled task cannot wait any more, so another task waits.
            await Task(executorPreference: hub) { [self] in
                while !connections.isEmpty { try? await connectionEnded.park() }
            }.value
        }
        hasEnded = true
        hasWoken.unpark()
        await waker.value
        // In a task of its own: this one may be cancelled.
        await Task(executorPreference: hub) { [context] in await context.migrations.end() }.value
        stopTimer = nil
    }

    /// Replaces the configuration.
    func reload(_ configuration: HTTPServerConfiguration) {
        let old = self.configuration
        self.configuration = configuration
        context.settings = ConnectionSettings(configuration)
        context.migrations.use(configuration.migrations)
        let stallThreshold = configuration.hub.stallThreshold
        if stallThreshold != old.hub.stallThreshold { hub.stallThreshold = stallThreshold }
    }

    // MARK: Serving

    /// Serves a client that was accepted, or refuses it.
    private func admit(_ fd: CInt, _ address: SocketAddress, isTLS: Bool) {
        let network = configuration.maxConnectionsPerPeer == nil ? nil : PeerNetwork(address)
        let verdict = gate.admit(address, network, isTLS: isTLS, configuration, connections.values)
        if case .shed = verdict {
            close(fd)
            return
        }
        if address.family != AF_UNIX {
            var on: CInt = 1
            setsockopt(fd, CInt(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<CInt>.size))
        }
        do throws(TandemError) {
            let descriptor = try Descriptor(adopting: fd)
            let session = isTLS ? try makeSession(over: descriptor) : nil
            let connection = Connection(context, descriptor, session, address, network: network)
            connections[ObjectIdentifier(connection)] = connection
            if case .refuse(let error) = verdict { refuse(connection, error) } else { startTask(of: connection) }
        } catch {
            context.logger.error("cannot serve a connection", metadata: ["error": "\(error)"])
            close(fd)
            if case .refuse = verdict { gate.endRefusal() } else { gate.leave(network) }
        }
    }

    private func makeSession(over descriptor: Descriptor) throws(TandemError) -> TLSSession {
        do throws(TandemError) {
            guard let context = tls.current else { throw TandemError(.invalidArgument, "no certificate is configured for TLS") }
            return try TLSSession(descriptor, context)
        } catch {
            _ = descriptor.relinquish()
            throw error
        }
    }

    private func refuse(_ connection: Connection, _ error: HTTPError) {
        connection.prepareToRefuse()
        connection.task = Task(executorPreference: hub) {
            await connection.refuse(error)
            self.gate.endRefusal()
            self.ended(connection)
        }
    }

    /// Starts the task of a connection, which serves it until it ends or is at rest.
    private func startTask(of connection: Connection) {
        // `hub.spawn` starts nothing on a hub that stops, and this connection must still end. `HubServer.run` cuts it and waits
        // for it.
        connection.task = Task(executorPreference: hub) {
            if await connection.run() {
                connection.task = nil
                // Unowned: `connections` holds the connection while it rests, and the server waits for all of those.
                return connection.rest { [unowned self, unowned connection] in
                    woken.append(connection)
                    hasWoken.unpark()
                }
            }
            self.gate.leave(connection)
            self.ended(connection)
        }
        // The connection was at rest when the server cut all connections.
        if hasCut { connection.cut() }
    }

    /// Starts the tasks of connections that wake from rest, until the server has ended. `run` starts this task before it
    /// accepts. So the task of a woken connection has the task-locals of `run`'s caller, not those of the code that woke it.
    private func resumeWoken() async {
        while !hasEnded {
            for connection in woken { startTask(of: connection) }
            woken.removeAll(keepingCapacity: true)
            try? await hasWoken.park()
        }
    }

    private func ended(_ connection: Connection) {
        connection.task = nil
        connections[ObjectIdentifier(connection)] = nil
        connectionEnded.unpark()
        for acceptor in acceptors { acceptor.hasRoom() }
    }

    // MARK: Stopping

    /// Drains when the plan's delay is over, and cuts the remaining connections at the end of the plan. A later plan can only
    /// shorten the times of an earlier one.
    func stop(_ plan: StopPlan) {
        drainAt = min(drainAt, .after(plan.delay))
        cutAt = min(cutAt, .after(plan.total))
        if !context.isDraining, drainAt.remaining == .zero { drain() }
        stopTimer?.arm(context.isDraining ? cutAt : drainAt)
    }

    private func advanceStop() {
        guard !context.isDraining else { return graceIsOver() }
        drain()
        stopTimer?.arm(cutAt)
    }

    /// Stops accepting, and closes idle connections. Busy connections close after their answer.
    private func drain() {
        for acceptor in acceptors { acceptor.acceptBacklog(of: configuration.backlog) }
        context.isDraining = true
        for acceptor in acceptors { acceptor.close() }
        drained.send(())
        context.migrations.drain()
        drainingBegins()
        stopped.idleConnections += connections.values.count { $0.isIdle }
        for connection in connections.values { connection.drain() }
    }

    private func graceIsOver() {
        guard !hasCut, !connections.isEmpty else { return }
        context.logger.warning("grace is over, connections cut", metadata: ["count": "\(connections.count)"])
        cutAll()
    }

    /// Cuts the remaining connections.
    private func cutAll() {
        if !hasCut { stopped.connectionsCut += connections.count }
        hasCut = true
        for connection in connections.values { connection.cut() }
    }
}

extension ConnectionSettings {
    fileprivate convenience init(_ configuration: HTTPServerConfiguration) {
        self.init(
            wireLimits: configuration.wireLimits, maxBodyBytes: configuration.maxBodyBytes,
            maxRequests: configuration.maxRequestsPerConnection, maxGreenThreads: configuration.maxGreenThreads,
            drainLimit: configuration.drainLimit, headerTimeout: configuration.headerTimeout,
            idleTimeout: configuration.idleTimeout, bodyTimeout: configuration.bodyTimeout,
            writeTimeout: configuration.writeTimeout, halfCloseGrace: configuration.halfCloseGrace,
            lingerTimeout: configuration.lingerTimeout, accessLog: configuration.accessLog,
            trustsRequestID: configuration.observing.trustsRequestID, returnsRequestID: configuration.observing.returnsRequestID)
    }
}
