internal import Glibc
public import Logging
internal import Synchronization
internal import Tandem

/// An HTTP/1.1 server: a router, served on one hub or several.
///
///     let server = HTTPServer(router: router)
///     try await server.run()
public final class HTTPServer: Sendable {
    /// How it was set up.
    public let configuration: HTTPServerConfiguration
    private let routes: RouteTable
    private let logger: Logger
    private let listening = Event<[ListenAddress]>()
    private let admission = Admission()
    private let tls = TLSContexts()
    private let state = Mutex(State())

    private struct State {
        var parts: [HubServer] = []
        var grace: Duration?
        var hasRun = false
    }

    /// A server that does not listen yet. Takes a copy of the routes.
    ///
    /// - Parameter logger: Told of handlers that throw and of cancelled requests.
    public init(
        router: Router, configuration: HTTPServerConfiguration = HTTPServerConfiguration(),
        logger: Logger = Logger(label: "tandem.http")
    ) {
        routes = router.table.compiled()
        self.configuration = configuration
        self.logger = logger
    }

    /// Listens and serves until `stop`, or until the task is cancelled, which cuts every connection.
    ///
    /// On a hub it serves there. Elsewhere it starts `configuration.hubs` hubs and serves on each. A server runs once.
    ///
    /// - Throws: `TandemError` when it cannot listen, naming the address; `TLSError` when it cannot speak TLS, naming the file.
    public func run() async throws {
        let isFirst = state.withLock { state in
            defer { state.hasRun = true }
            return !state.hasRun
        }
        precondition(isFirst, "an HTTPServer runs once")
        do {
            if let hub = Hub.current {
                let listeners = try open(hubs: 1)
                listening.send(listeners.addresses)
                try await serve(listeners.sockets[0], on: hub)
            } else {
                try await runOnOwnHubs()
            }
        } catch {
            listening.fail(error)
            throw error
        }
    }

    private func open(hubs: Int) throws -> Listeners {
        // First what costs nobody anything when it fails.
        let addresses = configuration.listenAddresses
        if let configured = configuration.tls {
            tls.use(try tls.make(configured, logger: logger))
        } else if let address = addresses.first(where: \.isTLS) {
            throw TLSError(.noCertificate, "cannot listen on \(address): no certificate is configured for TLS")
        }
        return try Listeners(addresses, hubs: hubs, backlog: configuration.backlog)
    }

    private func runOnOwnHubs() async throws {
        let listeners = try open(hubs: configuration.hubs)
        let group: HubGroup
        do throws(TandemError) {
            group = try HubGroup(count: configuration.hubs, configuration: configuration.hub)
        } catch {
            listeners.close()
            throw error
        }
        listening.send(listeners.addresses)
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
        await group.shutdown()
        try outcome.get()
    }

    private func serve(_ sockets: [ListeningSocket], on hub: Hub) async throws {
        let part = try HubServer(
            hub: hub, listening: sockets, tls: tls, routes: routes, configuration: configuration, admission: admission,
            logger: logger)
        let grace = state.withLock { state in
            state.parts.append(part)
            return state.grace
        }
        if let grace { part.stop(grace: grace) }
        await part.run()
        state.withLock { state in state.parts.removeAll { $0 === part } }
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

    /// Stops, from any thread: accepts no more, closes idle connections, lets requests in flight end with
    /// `Connection: close`, and after `grace` cancels what is left. `run` returns when the last connection has ended. A
    /// second call with a shorter grace shortens it.
    public func stop(grace: Duration = .seconds(30)) {
        let parts = state.withLock { state in
            state.grace = grace
            return state.parts
        }
        for part in parts { part.hub.spawn(name: "server stop") { part.stop(grace: grace) } }
    }

    /// Reads the files of a TLS configuration again, or those of another, from any thread: for a reload, which tries this first
    /// and changes nothing when it throws. Certificates that clients will refuse are logged.
    ///
    /// - Returns: What has the new connections of all hubs use them; open ones keep what they began with, and sessions can be
    ///   resumed across it. Handshake timeout and client verification are part of it.
    /// - Throws: `TLSError`, which names the file.
    func prepareTLS(_ configuration: TLSConfiguration) throws(TLSError) -> @Sendable () -> Void {
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
