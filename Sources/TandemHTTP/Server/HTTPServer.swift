internal import Glibc
public import Logging
internal import ServiceLifecycle
internal import Synchronization
public import Tandem

/// An HTTP/1.1 server: a router, served on one hub or several.
///
///     let server = HTTPServer(router: router)
///     try await server.run()
public final class HTTPServer: Sendable {
    let logger: Logger
    /// Happens when it begins to drain.
    let drained = Event<Void>()
    let state: Mutex<State>
    private let routes: RouteTable
    private let listening = Event<[ListenAddress]>()
    private let admission = Admission()
    private let tls = TLSContexts()

    struct State {
        var configuration: HTTPServerConfiguration
        var phase = ServerPhase.starting
        var parts: [HubServer] = []
        var plan: StopPlan?
        var hooks = ShutdownHooks()
        var summary = StopSummary()
        var hasRun = false
    }

    /// A server that does not listen yet. Takes a copy of the routes.
    ///
    /// - Parameter logger: Told of handlers that throw, of cancelled requests, and of hooks that fail.
    public init(
        router: Router, configuration: HTTPServerConfiguration = HTTPServerConfiguration(),
        logger: Logger = Logger(label: "tandem.http")
    ) {
        routes = router.table.compiled()
        state = Mutex(State(configuration: configuration))
        self.logger = logger
    }

    /// What is in force: how it was set up, or what was loaded since by `reload`.
    public var configuration: HTTPServerConfiguration { state.withLock { $0.configuration } }

    /// The hubs that it serves on now. Any thread.
    public var hubs: [Hub] { state.withLock { $0.parts.map(\.hub) } }

    /// Listens and serves until `stop`, or until the task is cancelled, which cuts every connection. In a `ServiceGroup` the
    /// group's graceful shutdown is a `stop`.
    ///
    /// On a hub it serves there. Elsewhere it starts `configuration.hubs` hubs and serves on each. A server runs once.
    ///
    /// - Throws: `TandemError` when it cannot listen, naming the address; `TLSError` when it cannot speak TLS, naming the file.
    public func run() async throws {
        try await withGracefulShutdownHandler {
            try await runOnce()
        } onGracefulShutdown: {
            self.stop()
        }
    }

    private func runOnce() async throws {
        let isFirst = state.withLock { state in
            defer { state.hasRun = true }
            return !state.hasRun
        }
        precondition(isFirst, "an HTTPServer runs once")
        var failure: (any Error)?
        do {
            if let hub = Hub.current {
                let listeners = try open(configuration, hubs: 1)
                listens(at: listeners.addresses)
                try await serve(listeners.sockets[0], on: hub)
            } else {
                try await runOnOwnHubs()
            }
        } catch {
            listening.fail(error)
            failure = error
        }
        await runHooks()
        end()
        if let failure { throw failure }
    }

    private func listens(at addresses: [ListenAddress]) {
        state.withLock { $0.phase = max($0.phase, .serving) }
        listening.send(addresses)
    }

    private func open(_ configuration: HTTPServerConfiguration, hubs: Int) throws -> Listeners {
        // First what costs nobody anything when it fails.
        let addresses = configuration.listenAddresses
        if let configured = configuration.tls { try prepareTLS(configured)() }
        if tls.current == nil, let address = addresses.first(where: \.isTLS) {
            throw TLSError(.noCertificate, "cannot listen on \(address): no certificate is configured for TLS")
        }
        return try Listeners(addresses, hubs: hubs, backlog: configuration.backlog)
    }

    private func runOnOwnHubs() async throws {
        let configuration = configuration
        let listeners = try open(configuration, hubs: configuration.hubs)
        let group: HubGroup
        do throws(TandemError) {
            group = try HubGroup(count: configuration.hubs, configuration: configuration.hub)
        } catch {
            listeners.close()
            throw error
        }
        listens(at: listeners.addresses)
        let outcome: Result<Void, any Error>
        do {
            // A hub that cannot serve ends the others: its share of the port's clients would wait for ever.
            outcome = .success(
                try await withThrowingTaskGroup { tasks in
                    for (hub, sockets) in zip(group.hubs, listeners.sockets) {
                        tasks.addTask(executorPreference: hub) { try await self.serve(sockets, on: hub) }
                    }
                    try await tasks.waitForAll()
                })
        } catch {
            outcome = .failure(error)
        }
        // By a task of its own: this one may be on an actor, or cancelled.
        _ = try? await group.hubs[0].spawn(name: "shutdown hooks") { await self.runHooks() }.value
        await group.shutdown()
        try outcome.get()
    }

    private func serve(_ sockets: [ListeningSocket], on hub: Hub) async throws {
        let part = try HubServer(
            hub: hub, listening: sockets, tls: tls, routes: routes, configuration: configuration, admission: admission,
            server: self)
        let (plan, configuration) = state.withLock { state in
            state.parts.append(part)
            return (state.plan, state.configuration)
        }
        // What was asked for meanwhile.
        part.reload(configuration)
        if let plan { part.stop(plan) }
        await part.run()
        state.withLock { state in
            state.parts.removeAll { $0 === part }
            state.summary.add(part.summary)
        }
    }

    /// Waits until it listens, and returns the port of the first TCP address; 0 when there is none. Throws what `run` threw
    /// when it could not.
    public func waitUntilListening() async throws -> Int { Self.port(try await boundAddresses()) }

    /// Waits until it listens, and returns the port of the first TCP address, or 0; parks the green thread or blocks the OS
    /// thread.
    @available(*, noasync)
    public func waitUntilListening(file: StaticString = #fileID, line: UInt = #line) throws -> Int {
        Self.port(try boundAddresses(file: file, line: line))
    }

    /// Waits until it listens, and returns all addresses in the order of the configuration, with the ports that the kernel has
    /// chosen. Throws what `run` threw when it could not.
    public func boundAddresses() async throws -> [ListenAddress] { try await listening.wait() }

    /// Waits until it listens, and returns all addresses; parks the green thread or blocks the OS thread.
    @available(*, noasync)
    public func boundAddresses(file: StaticString = #fileID, line: UInt = #line) throws -> [ListenAddress] {
        try listening.wait(file: file, line: line)
    }

    private static func port(_ addresses: [ListenAddress]) -> Int { addresses.lazy.compactMap(\.port).first ?? 0 }

    /// Reads the files of a TLS configuration again, or those of another, from any thread: for a reload, which tries this first
    /// and changes nothing when it throws. Certificates that clients will refuse are logged.
    ///
    /// - Returns: What has the new connections of all hubs use them; open ones keep what they began with, and sessions can be
    ///   resumed across it. Handshake timeout and client verification are part of it.
    /// - Throws: `TLSError`, which names the file.
    func prepareTLS(_ configuration: TLSConfiguration) throws(TLSError) -> @Sendable () -> Void {
        // A server without TLS needs no certificate.
        if configuration.certificates.isEmpty, tls.current == nil { return {} }
        let context = try tls.make(configuration, logger: logger)
        return { [tls] in tls.use(context) }
    }

    /// Connections open now, over all hubs. A snapshot: each hub counts its own.
    public func connectionCount() async -> Int {
        let parts = state.withLock { $0.parts }
        var count = 0
        for part in parts {
            count += (try? await part.hub.spawn(name: "count") { part.connectionCount }.value) ?? 0
        }
        return count
    }
}
