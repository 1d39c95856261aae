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
    private let listening = Event<Int>()
    private let admission = Admission()

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
    /// - Throws: `TandemError` when it cannot listen, naming the address.
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
                let fd = try open(port: configuration.port, shared: false)
                listens(on: fd)
                try await serve(fd, on: hub)
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

    private func listens(on fd: CInt) {
        state.withLock { $0.phase = max($0.phase, .serving) }
        listening.send(SocketAddress(localOf: fd).port)
    }

    private func open(port: Int, shared: Bool) throws(TandemError) -> CInt {
        let configuration = configuration
        return try Listener.open(host: configuration.host, port: port, backlog: configuration.backlog, shared: shared)
    }

    private func runOnOwnHubs() async throws {
        let descriptors = try openAll()
        let configuration = configuration
        let group: HubGroup
        do throws(TandemError) {
            group = try HubGroup(count: configuration.hubs, configuration: configuration.hub)
        } catch {
            for fd in descriptors { close(fd) }
            throw error
        }
        listens(on: descriptors[0])
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
        // By a task of its own: this one may be on an actor, or cancelled.
        _ = try? await group.hubs[0].spawn(name: "shutdown hooks") { await self.runHooks() }.value
        await group.shutdown()
        try outcome.get()
    }

    /// One listener a hub, on one port. The first binds alone, so that a port that is busy is noticed.
    private func openAll() throws(TandemError) -> [CInt] {
        let configuration = configuration
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
            hub: hub, listening: fd, routes: routes, configuration: configuration, admission: admission, server: self)
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

    /// Waits until it listens, and returns the port. Throws what `run` threw when it could not.
    public func waitUntilListening() async throws -> Int { try await listening.wait() }

    /// Waits until it listens, and returns the port; parks the green thread or blocks the OS thread.
    @available(*, noasync)
    public func waitUntilListening(file: StaticString = #fileID, line: UInt = #line) throws -> Int {
        try listening.wait(file: file, line: line)
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
