internal import Glibc
public import Logging
public import ServiceLifecycle
internal import Synchronization
public import Tandem
internal import TandemTLS

/// An HTTP/1.1 server: a router, served on one hub or several.
///
///     let server = HTTPServer(router: router)
///     try await server.run()
public final class HTTPServer: Sendable {
    private let logger: Logger
    /// The event that the server has begun to drain.
    private let drained = Event<Void>()
    private let state: Mutex<State>
    private let dispatcher: Dispatcher
    private let listening = Event<[ListenAddress]>()
    private let admission = Admission()
    private let tls = TLSContexts()

    private struct State {
        var configuration: HTTPServerConfiguration
        var phase = ServerPhase.starting
        var hubs: [Hub] = []
        var parts: [HubServer] = []
        var plan: StopPlan?
        var hooks = ShutdownHooks()
        var listeningHooks: [@Sendable ([ListenAddress]) -> Void] = []
        var summary = StopSummary()
        var hasRun = false
    }

    /// Creates a server that does not listen yet. Takes a copy of the routes.
    ///
    /// - Parameter logger: Logs where the server listens (info), handlers that throw, cancelled requests, and hooks that fail. By
    ///   default the logger of `LoggingSystem`, which writes to standard error unless it was bootstrapped otherwise.
    /// - Parameter router: The routes. The server copies them.
    /// - Parameter configuration: Addresses, limits and time limits.
    public init(
        router: Router, configuration: HTTPServerConfiguration = HTTPServerConfiguration(),
        logger: Logger = Logger(label: "tandem.http")
    ) {
        dispatcher = Dispatcher(router.table.compiled())
        state = Mutex(State(configuration: configuration))
        self.logger = logger
    }

    /// The current configuration, including any reload.
    public var configuration: HTTPServerConfiguration { state.withLock { $0.configuration } }

    /// The hubs on which the server is serving. Call it from any thread.
    public var hubs: [Hub] { state.withLock { $0.hubs } }

    /// Listens and serves until `stop`, or until the task is cancelled, which cuts every connection. In a `ServiceGroup` the
    /// group's graceful shutdown is a `stop`.
    ///
    /// Called on a hub, it serves on that hub, and logs a warning if `configuration.hubs` or `.hub` ask for something else. Called elsewhere, it starts `configuration.hubs` hubs and serves on each. A server
    /// runs once.
    ///
    /// - Throws: `TandemError` `cannotListen` if the server cannot listen on an address; the message names the address. `TLSError` if it
    ///   cannot use a certificate or key; the message names the file. `MigrationError` if the configuration names a route that does
    ///   not migrate.
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
                let ignored = configuration.ignored(on: hub)
                if !ignored.isEmpty {
                    logger.warning(
                        "HTTPServer.run was called on a hub and serves on that hub only: \(ignored.joined(separator: ", ")) has no effect. Call it elsewhere to start hubs for the server."
                    )
                }
                let listeners = try open(configuration, hubs: 1)
                beginListening(at: listeners.addresses, on: [hub])
                try await runPart(on: hub, listeners.sockets[0])
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

    /// Publishes the addresses, and enters the phase `serving`.
    private func beginListening(at addresses: [ListenAddress], on hubs: [Hub]) {
        logger.info("listening on \(addresses.map(\.url).joined(separator: ", "))")
        let hooks = state.withLock { state in
            state.phase = max(state.phase, .serving)
            state.hubs = hubs
            return state.listeningHooks
        }
        for hook in hooks { hook(addresses) }
        listening.send(addresses)
    }

    private func open(_ configuration: HTTPServerConfiguration, hubs: Int) throws -> Listeners {
        // The checks without side effects come first.
        try dispatcher.routes.check(configuration.migrations.routes)
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
        beginListening(at: listeners.addresses, on: group.hubs)
        let outcome: Result<Void, any Error>
        do {
            // If one hub cannot serve, the others end too: the clients that the kernel assigns to that hub would wait forever.
            outcome = .success(
                try await withThrowingTaskGroup { tasks in
                    for (hub, sockets) in zip(group.hubs, listeners.sockets) {
                        tasks.addTask(executorPreference: hub) { try await self.runPart(on: hub, sockets) }
                    }
                    try await tasks.waitForAll()
                })
        } catch {
            outcome = .failure(error)
        }
        // In a separate task: the current one may be on an actor, or cancelled.
        _ = try? await group.hubs[0].spawn(name: "shutdown hooks") { await self.runHooks() }.value
        await group.shutdown()
        try outcome.get()
    }

    /// Accepts and serves on one hub.
    private func runPart(on hub: Hub, _ sockets: [ListeningSocket]) async throws {
        defer { state.withLock { $0.hubs.removeAll { $0 === hub } } }
        let part = try HubServer(
            hub: hub, listening: sockets, tls: tls, dispatcher: dispatcher, configuration: configuration, admission: admission,
            logger: logger, drainingBegins: { [unowned self] in drainingBegins() })
        let (plan, configuration) = state.withLock { state in
            state.parts.append(part)
            return (state.plan, state.configuration)
        }
        // Apply a reload or a stop that was requested meanwhile.
        part.reload(configuration)
        if let plan { part.stop(plan) }
        await part.run()
        state.withLock { state in
            state.parts.removeAll { $0 === part }
            state.summary.add(part.summary)
        }
    }

    /// Waits until the server listens, and returns the port of the first TCP address, or 0 without one. If the server could not
    /// listen, throws the error that `run` threw.
    public func waitUntilListening() async throws -> Int { Self.port(try await boundAddresses()) }

    /// Waits until the server listens, and returns the port of the first TCP address, or 0; parks the green thread or blocks the
    /// OS thread.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public func waitUntilListening(file: StaticString = #fileID, line: UInt = #line) throws -> Int {
        Self.port(try boundAddresses(file: file, line: line))
    }

    /// Waits until the server listens, and returns all addresses in the order of the configuration, with the ports that the
    /// kernel has chosen. If the server could not listen, throws the error that `run` threw.
    public func boundAddresses() async throws -> [ListenAddress] { try await listening.wait() }

    /// Waits until the server listens, and returns all addresses; parks the green thread or blocks the OS thread.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public func boundAddresses(file: StaticString = #fileID, line: UInt = #line) throws -> [ListenAddress] {
        try listening.wait(file: file, line: line)
    }

    /// Registers a hook that runs once, when the server listens and before it accepts the first client: for what handlers need to
    /// know of the addresses. Register it before `run`; it must not wait.
    public func onListening(_ hook: @escaping @Sendable (_ addresses: [ListenAddress]) -> Void) {
        state.withLock { $0.listeningHooks.append(hook) }
    }

    private static func port(_ addresses: [ListenAddress]) -> Int { addresses.lazy.compactMap(\.port).first ?? 0 }

    /// Reads and checks the files of a TLS configuration, from any thread. A reload calls this first, and changes nothing when it
    /// throws. Logs certificates that clients will refuse.
    ///
    /// - Returns: A closure that makes new connections on all hubs use these files, with the handshake timeout and the client
    ///   verification. Open connections keep theirs. Clients can resume their sessions afterwards.
    /// - Throws: `TLSError`, which names the file.
    func prepareTLS(_ configuration: TLSConfiguration) throws(TLSError) -> @Sendable () -> Void {
        // A server without TLS needs no certificate.
        if configuration.certificates.isEmpty, tls.current == nil { return {} }
        let context = try tls.make(configuration, logger: logger)
        return { [tls] in tls.use(context) }
    }

    // MARK: Reloading

    /// Replaces limits, timeouts and similar settings, from any thread, without touching a connection.
    ///
    /// Each hub adopts them within a turn of its loop. Timeouts apply from the next wait on, those of a request's body from the
    /// next request on, limits of the head and TLS settings from the next connection on, everything else from the next request
    /// on. The files of `tls` are read again even if `tls` is unchanged. A stop that has begun keeps its times.
    ///
    /// - Returns: The names of the properties that differ but cannot change while the server runs; they keep their values.
    ///   These are the addresses and the backlog, `observing`, and the configuration of the hubs except `hub.stallThreshold`.
    /// - Throws: `TLSError`, which names the file; `MigrationError`, which names the route. Nothing has changed then.
    @discardableResult
    public func reload(_ configuration: HTTPServerConfiguration) throws -> [String] {
        try dispatcher.routes.check(configuration.migrations.routes)
        let useTLS = try configuration.tls.map { try prepareTLS($0) }
        let (fixed, old, parts) = state.withLock { state in
            var merged = configuration
            let fixed = merged.keepFixed(of: state.configuration)
            swap(&merged, &state.configuration)
            // The old configuration is released outside the lock.
            return (fixed, merged, state.parts)
        }
        useTLS?()
        for route in dispatcher.routes.migrating {
            let isChanged = old.migrations.migration(of: route) != configuration.migrations.migration(of: route)
            if isChanged { route.guard.reset() }
        }
        for part in parts {
            // Always apply the latest configuration, because several reloads may reach the hub in any order.
            part.hub.spawn(name: "server reload") { [self] in part.reload(state.withLock { $0.configuration }) }
        }
        return fixed
    }

    // MARK: Stopping

    /// Stops the server, from any thread, in phases that each have a deadline:
    ///
    /// 1. `delay`: the phase is `leaving`. The server serves as before, so that load balancers can notice the stop first.
    /// 2. `grace`: the phase is `draining`. The server accepts no more connections, closes idle ones, answers requests in flight
    ///    with `Connection: close`, and signals `draining` to handlers. At the end it cancels the remaining requests and closes
    ///    their connections.
    /// 3. `cleanupTimeout`: the hooks of `onShutdown` run.
    ///
    /// Then `run` returns. A further call can shorten the phases, but not lengthen them: `stop(grace: .zero, delay: .zero)`
    /// cuts all connections at once. A server that is stopped before it runs stops as soon as it runs.
    ///
    /// - Parameters:
    ///   - grace: The time for requests in flight; nil for `HTTPServerConfiguration.stopGrace`.
    ///   - delay: The time before draining begins; nil for `HTTPServerConfiguration.stopDelay`.
    public func stop(grace: Duration? = nil, delay: Duration? = nil) {
        let (plan, parts) = state.withLock { state in
            let wanted = StopPlan(
                delay: delay ?? state.configuration.stopDelay, grace: grace ?? state.configuration.stopGrace)
            state.plan?.shorten(to: wanted)
            state.plan = state.plan ?? wanted
            state.phase = max(state.phase, .leaving)
            return (state.plan!, state.parts)
        }
        for part in parts { part.hub.spawn(name: "server stop") { part.stop(plan) } }
    }

    /// Registers an async hook that runs when the last connection has ended, while the hub still runs. Use it to flush buffers,
    /// or to close resources that handlers share. Call it from any thread.
    ///
    /// Hooks run one after the other, the last registered one first, before `run` returns for any reason: also when the server
    /// could not listen, or when the task of `run` was cancelled, which hooks do not see. `cleanupTimeout` limits all hooks
    /// together; then the server cancels them. If a hook throws, the server logs and counts the error, and runs the next hook.
    /// `run` waits for a hook that ignores its cancellation.
    ///
    /// - Parameters:
    ///   - name: The name of the hook in messages.
    ///   - hook: The code to run, on a hub of the server.
    /// - Returns: Whether the hook will run. False if the hooks have already started.
    @discardableResult
    public func onShutdown(_ name: GreenThreadName, _ hook: @escaping @Sendable () async throws -> Void) -> Bool {
        state.withLock { $0.hooks.add(name, .async(hook)) }
    }

    /// Registers a blocking hook, which runs on a green thread. Otherwise like the async form. The closure's own style selects
    /// the form: a closure that awaits is async.
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking handler: await in the closure [migration: blocking handler]")
    #endif
    @discardableResult
    public func onShutdown(_ name: GreenThreadName, _ hook: @escaping @Sendable () throws -> Void) -> Bool {
        state.withLock { $0.hooks.add(name, .blocking(hook)) }
    }

    /// The server's current phase. Call it from any thread.
    public var phase: ServerPhase { state.withLock { $0.phase } }

    /// Whether the server drains, and a way to wait for that. Call it from any thread.
    public var draining: Draining { Draining(drained) }

    /// The outcome of stopping, which is complete when `run` has returned. Call it from any thread.
    public var stopSummary: StopSummary { state.withLock { $0.summary } }

    /// Marks the server as draining. Each hub calls this when it begins to drain.
    private func drainingBegins() {
        state.withLock { $0.phase = max($0.phase, .draining) }
        drained.send(())
    }

    /// Runs the hooks, unless they have run already.
    private func runHooks() async {
        let (hooks, timeout) = state.withLock { ($0.hooks.take(), $0.configuration.cleanupTimeout) }
        let summary = await hooks.run(within: timeout, logger)
        state.withLock { $0.summary.add(summary) }
    }

    private func end() {
        state.withLock { $0.phase = .stopped }
        drained.send(())
    }

    /// Checks that these modes fit the server's routes, as `run` and `reload` do. Throws the first `MigrationError`.
    package func check(_ migrations: [RouteMigration]) throws(MigrationError) { try dispatcher.routes.check(migrations) }

    // MARK: Counting

    /// Returns the state of the migrating routes, added up over the hubs. Call it from any thread.
    ///
    /// - Parameter patience: The time that the hubs have to answer. The report has the last known numbers of a hub that does not,
    ///   because code holds it.
    public func migrationReport(within patience: Duration = .milliseconds(250)) async -> MigrationReport {
        let (parts, configuration) = state.withLock { ($0.parts, $0.configuration.migrations) }
        let answers = parts.map { part in
            part.migrations.refresh { part.hub.spawn(name: "migration report") { part.publishMigrations() } }
        }
        let deadline = Deadline.after(patience)
        var silent = 0
        for answer in answers where (try? await answer.wait(deadline: deadline)) == nil { silent += 1 }
        return MigrationReport(
            dispatcher.routes.migrating, configuration, parts.compactMap(\.migrations.snapshot), silent: silent)
    }

    /// Returns the number of open connections on all hubs. It asks one hub after the other, so the sum is not exact on a busy
    /// server.
    public func connectionCount() async -> Int {
        let parts = state.withLock { $0.parts }
        var count = 0
        for part in parts {
            count += (try? await part.hub.spawn(name: "count") { part.connectionCount }.value) ?? 0
        }
        return count
    }
}

/// A server can run beside other services in a `ServiceGroup`. The group's graceful shutdown calls `stop` with the times of
/// the configuration; cancelling the group cuts every connection at once. `run` throws when the server cannot listen, which
/// ends the group.
extension HTTPServer: Service {}
