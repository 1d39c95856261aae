internal import Glibc
internal import Logging
internal import Tandem
internal import TandemHTTP

/// What the supervising hub does while the server runs: it heeds signals, tells the service manager, and sees to it that the
/// process ends. It is a thread of its own, so that all this is done however busy the hubs are that serve.
struct Supervisor: Sendable {
    /// What the server has on top of its own deadlines before the process ends without it.
    static let margin: Duration = .seconds(5)

    let server: HTTPServer
    let admin: AdminServer?
    let signals: Signals
    let notifier: Notifier?
    let reloader: Reloader?
    let logger: Logger
    /// Told where the server listens; returns it as text.
    let listens: @Sendable ([ListenAddress]) -> String
    /// Has what is left of the access log written.
    let flush: @Sendable () -> Void
    private let dumps = HubDumps()
    /// One reload, and one dump, at a time.
    private let turn = Semaphore(1)

    init(
        server: HTTPServer, admin: AdminServer?, signals: Signals, notifier: Notifier?, reloader: Reloader?, logger: Logger,
        listens: @escaping @Sendable ([ListenAddress]) -> String, flush: @escaping @Sendable () -> Void
    ) {
        self.server = server
        self.admin = admin
        self.signals = signals
        self.notifier = notifier
        self.reloader = reloader
        self.logger = logger
        self.listens = listens
        self.flush = flush
    }

    /// Serves until a signal. Throws `ServiceError` when the server cannot start.
    func run() async throws {
        let hub = Hub.current!
        let heeding = hub.spawn(name: "signals") { try await heed() }
        defer { heeding.cancel() }
        // First and last, so that it says what the server does.
        let administering = try await admin?.start()
        if let administering { logger.notice("admin listener on \(administering.url)") }
        // Off this hub, so that the server starts its own.
        let serving = Task.detached { [server] in try await server.run() }
        do {
            let place = listens(try await server.boundAddresses())
            logger.notice("tandemd \(tandemVersion) listening on \(place)")
            if server.phase == .serving { await notifier?.send(.ready, .status("serving on \(place)")) }
        } catch {
            throw ServiceError(cannotStart: error)
        }
        let pinging = notifier.flatMap { notifier in
            notifier.watchdogInterval.map { interval in
                hub.spawn(name: "watchdog pings") { [server] in
                    try await WatchdogPings(notifier: notifier, interval: interval, hubs: { server.hubs }).run()
                }
            }
        }
        defer { pinging?.cancel() }
        try await serving.value
        admin?.stop()
        try await administering?.running.value
        let summary = server.stopSummary
        logger.notice(
            "stopped",
            metadata: [
                "requests.ended": "\(summary.requestsEnded)", "connections.idle": "\(summary.idleConnections)",
                "connections.cut": "\(summary.connectionsCut)", "hooks.failed": "\(summary.hooksFailed)",
                "hooks.timed-out": "\(summary.hooksTimedOut)",
            ])
    }

    private func heed() async throws {
        let hub = Hub.current!
        try await signals.forEach { signal in
            switch signal {
            case SIGHUP: hub.spawn(name: "reload") { try await turn.withPermit { await reload() } }
            case SIGUSR1: hub.spawn(name: "dump") { try await turn.withPermit { await dump() } }
            default: stop(signal)
            }
        }
    }

    private func stop(_ signal: CInt) {
        // Whoever sends two does not want to wait.
        guard server.phase < .leaving else { _exit(128 + signal) }
        let http = server.configuration
        let planned = http.stopDelay + http.stopGrace + http.cleanupTimeout + Self.margin
        logger.notice("stopping: requests in flight have \(http.stopDelay + http.stopGrace) to end")
        server.stop()
        let hub = Hub.current!
        hub.spawn(name: "stopping") {
            await notifier?.send(.stopping, .status("stopping"), .extendTimeout(planned))
        }
        hub.spawn(name: "last resort") {
            try await sleep(for: planned)
            await endWithoutServer()
        }
    }

    /// A handler or a hook ignores that it is cancelled, or holds its hub: it must not keep the process for ever.
    private func endWithoutServer() async {
        let left = server.hubs
        logger.critical("the server does not end: leaving it", metadata: ["hubs": "\(left.count)"])
        await dumps.write(left, to: STDERR_FILENO)
        flush()
        _exit(EXIT_FAILURE)
    }

    private func reload() async {
        // One that stops has nothing to say about being ready.
        guard let reloader, server.phase < .leaving else { return }
        await notifier?.send(.reloading)
        let result = await reloader.reload()
        await notifier?.send(.ready, .status(result))
    }

    private func dump() async { await dumps.write(server.hubs + [Hub.current!], to: STDERR_FILENO) }
}
