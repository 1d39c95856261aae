internal import Glibc
public import Logging
public import ServiceLifecycle
internal import Synchronization
public import Tandem

/// An HTTP/1.1 server: a router, served on one hub or several.
///
///     let server = HTTPServer(router: router)
///     try await server.run()
public final class HTTPServer: Sendable {
    private let logger: Logger
    /// Happens when it begins to drain.
    private let drained = Event<Void>()
    private let state: Mutex<State>
    private let dispatcher: Dispatcher
    private let listening = Event<[ListenAddress]>()
    private let admission = Admission()
    private let tls = TLSContexts()

    private struct State {
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
    /// - Parameter logger: Told where the server listens (info), of handlers that throw, of cancelled requests, and of hooks that
    ///   fail. By default the logger of `LoggingSystem`, which writes to standard error unless it was bootstrapped otherwise.
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
                beginListening(at: listeners.addresses)
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

    /// Publishes the addresses: from here on clients are served.
    private func beginListening(at addresses: [ListenAddress]) {
        logger.info("listening on \(addresses.map(\.url).joined(separator: ", "))")
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
        beginListening(at: listeners.addresses)
        let outcome: Result<Void, any Error>
        do {
            // A hub that cannot serve ends the others: its share of the port's clients would wait for ever.
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
        // By a task of its own: this one may be on an actor, or cancelled.
        _ = try? await group.hubs[0].spawn(name: "shutdown hooks") { await self.runHooks() }.value
        await group.shutdown()
        try outcome.get()
    }

    /// Accepts and serves on one hub.
    private func runPart(on hub: Hub, _ sockets: [ListeningSocket]) async throws {
        let part = try HubServer(
            hub: hub, listening: sockets, tls: tls, dispatcher: dispatcher, configuration: configuration, admission: admission,
            logger: logger, drainingBegins: { [unowned self] in drainingBegins() })
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

    // MARK: Reloading

    /// Puts other limits, time-outs and the like into force, from any thread, without touching a connection.
    ///
    /// Each hub takes them over within a turn of its loop. Time-outs hold from the next wait on, limits of the head and TLS from
    /// the next connection on, everything else from the next request on. The files of `tls` are read again, whether it differs or
    /// not. A stop that has begun keeps its times.
    ///
    /// - Returns: The names of the properties that differ and cannot change while it runs: where it listens, what it
    ///   observes, and how its hubs are set up, except `hub.stallThreshold`. They keep their values.
    /// - Throws: `TLSError`, which names the file; then nothing has changed.
    @discardableResult
    public func reload(_ configuration: HTTPServerConfiguration) throws -> [String] {
        let useTLS = try configuration.tls.map { try prepareTLS($0) }
        let (fixed, _, parts) = state.withLock { state in
            var merged = configuration
            let fixed = merged.keepFixed(of: state.configuration)
            swap(&merged, &state.configuration)
            // The former one is released outside the lock.
            return (fixed, merged, state.parts)
        }
        useTLS?()
        for part in parts {
            // The newest configuration, whatever the order in which several reloads get to the hub.
            part.hub.spawn(name: "server reload") { [self] in part.reload(state.withLock { $0.configuration }) }
        }
        return fixed
    }

    // MARK: Stopping

    /// Stops, from any thread, in phases that each have a deadline:
    ///
    /// 1. `delay`: the phase is `leaving`, and everything is served as before, for load balancers that have to be told first;
    /// 2. `grace`: it is `draining`. Nothing more is accepted, idle connections close, requests in flight end with
    ///    `Connection: close`, and handlers that ask by `draining` are told. What is left then is cut: cancelled;
    /// 3. `cleanupTimeout`: what was given to `onShutdown` runs.
    ///
    /// Then `run` returns. A further call may shorten the phases and cannot lengthen them: `stop(grace: .zero, delay: .zero)`
    /// cuts at once. A server that is stopped before it runs stops as soon as it does.
    ///
    /// - Parameters:
    ///   - grace: nil for `HTTPServerConfiguration.stopGrace`.
    ///   - delay: nil for `HTTPServerConfiguration.stopDelay`.
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

    /// Registers an async hook that runs when the last connection has ended, while the hub still turns: to flush what is buffered,
    /// to close what handlers shared. Any thread.
    ///
    /// Hooks run one after the other, newest first, once `run` ends, for whatever reason: also when it could not listen or its
    /// task was cancelled, which they do not see. All together have `cleanupTimeout`; then they are cancelled. One that throws
    /// is logged and counted, and the next one runs. `run` waits for a hook that ignores its cancellation.
    ///
    /// - Parameter name: The name of the hook, in messages.
    /// - Returns: Whether the hook will run; false when the hooks have already started.
    @discardableResult
    public func onShutdown(_ name: GreenThreadName, _ hook: @escaping @Sendable () async throws -> Void) -> Bool {
        state.withLock { $0.hooks.add(name, .async(hook)) }
    }

    /// Registers a blocking hook, which runs on a green thread; as the async form. The closure's own style selects the form: one
    /// that awaits is async.
    @discardableResult
    public func onShutdown(_ name: GreenThreadName, _ hook: @escaping @Sendable () throws -> Void) -> Bool {
        state.withLock { $0.hooks.add(name, .blocking(hook)) }
    }

    /// Where it is in its life. Any thread.
    public var phase: ServerPhase { state.withLock { $0.phase } }

    /// Whether it drains, and a way to wait for that. Any thread.
    public var draining: Draining { Draining(drained) }

    /// The outcome of stopping, complete when `run` has returned. Any thread.
    public var stopSummary: StopSummary { state.withLock { $0.summary } }

    /// The first hub of the server drains. On any of its hubs.
    private func drainingBegins() {
        state.withLock { $0.phase = max($0.phase, .draining) }
        drained.send(())
    }

    /// Runs the hooks, unless that has been done.
    private func runHooks() async {
        let (hooks, timeout) = state.withLock { ($0.hooks.take(), $0.configuration.cleanupTimeout) }
        let summary = await hooks.run(within: timeout, logger)
        state.withLock { $0.summary.add(summary) }
    }

    private func end() {
        state.withLock { $0.phase = .stopped }
        drained.send(())
    }

    // MARK: Counting

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

/// A server may stand beside others in a `ServiceGroup`: the group's graceful shutdown is `stop` with the times of the
/// configuration, and cancelling it cuts every connection at once. `run` throws when it cannot listen, which ends the group.
extension HTTPServer: Service {}
