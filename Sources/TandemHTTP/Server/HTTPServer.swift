internal import Glibc
public import Logging
internal import Synchronization
public import Tandem

/// An HTTP/1.1 server: a router, served on one hub or several.
///
///     let server = HTTPServer(router: router)
///     try await server.run()
public final class HTTPServer: Sendable {
    /// How it was set up.
    public let configuration: HTTPServerConfiguration
    private let routes: RouteTable
    private let logger: Logger
    private let listening = Event<Int>()
    private let admission = Admission()
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
    /// - Throws: `TandemError` when it cannot listen, naming the address.
    public func run() async throws {
        let isFirst = state.withLock { state in
            defer { state.hasRun = true }
            return !state.hasRun
        }
        precondition(isFirst, "an HTTPServer runs once")
        do {
            if let hub = Hub.current {
                let fd = try open(port: configuration.port, shared: false)
                listening.send(SocketAddress(localOf: fd).port)
                try await serve(fd, on: hub)
            } else {
                try await runOnOwnHubs()
            }
        } catch {
            listening.fail(error)
            throw error
        }
    }

    private func open(port: Int, shared: Bool) throws(TandemError) -> CInt {
        try Listener.open(host: configuration.host, port: port, backlog: configuration.backlog, shared: shared)
    }

    private func runOnOwnHubs() async throws {
        let descriptors = try openAll()
        let group: HubGroup
        do throws(TandemError) {
            group = try HubGroup(count: configuration.hubs, configuration: configuration.hub)
        } catch {
            for fd in descriptors { close(fd) }
            throw error
        }
        listening.send(SocketAddress(localOf: descriptors[0]).port)
        let outcome: Result<Void, any Error>
        do {
            // A hub that cannot serve ends the others: its share of the port's clients would wait for ever.
            outcome = .success(
                try await withThrowingTaskGroup { tasks in
                    for (hub, fd) in zip(group.hubs, descriptors) {
                        tasks.addTask(executorPreference: hub) { try await self.serve(fd, on: hub) }
                    }
                    try await tasks.waitForAll()
                })
        } catch {
            outcome = .failure(error)
        }
        await group.shutdown()
        try outcome.get()
    }

    /// One listener a hub, on one port. The first binds alone, so that a port that is busy is noticed.
    private func openAll() throws(TandemError) -> [CInt] {
        let first = try open(port: configuration.port, shared: false)
        guard configuration.hubs > 1 else { return [first] }
        let port = SocketAddress(localOf: first).port
        close(first)
        var descriptors: [CInt] = []
        do throws(TandemError) {
            for _ in 0..<configuration.hubs { descriptors.append(try open(port: port, shared: true)) }
        } catch {
            for fd in descriptors { close(fd) }
            throw error
        }
        return descriptors
    }

    private func serve(_ fd: CInt, on hub: Hub) async throws {
        let part = try HubServer(
            hub: hub, listening: fd, routes: routes, configuration: configuration, admission: admission, logger: logger)
        let grace = state.withLock { state in
            state.parts.append(part)
            return state.grace
        }
        if let grace { part.stop(grace: grace) }
        await part.run()
        state.withLock { state in state.parts.removeAll { $0 === part } }
    }

    /// Waits until it listens, and returns the port. Throws what `run` threw when it could not.
    public func waitUntilListening() async throws -> Int { try await listening.wait() }

    /// Waits until it listens, and returns the port; parks the green thread or blocks the OS thread.
    @available(*, noasync)
    public func waitUntilListening(file: StaticString = #fileID, line: UInt = #line) throws -> Int {
        try listening.wait(file: file, line: line)
    }

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

    /// The hubs that it serves on now. Any thread.
    public var hubs: [Hub] { state.withLock { $0.parts.map(\.hub) } }

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
