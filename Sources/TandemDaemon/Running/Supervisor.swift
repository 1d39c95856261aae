internal import Glibc
internal import Logging
internal import Synchronization
internal import Tandem
internal import TandemHTTP

/// The supervisor of a running server: it acts on signals, informs the service manager, watches the serving hubs,
/// and makes sure that the process ends. It runs on a separate thread, so all this works however busy the other hubs are.
final class Supervisor: Sendable {
    /// The time that the process waits for the server beyond the server's own time limits before it ends without it.
    static let margin: Duration = .seconds(5)

    /// The parts of the daemon that the supervisor starts.
    struct Parts: Sendable {
        let server: HTTPServer
        let admin: AdminServer?
        let reloader: Reloader
    }

    private enum Reloads { case none, running, runningAndRequested }

    private let signals: Signals
    private let notifier: Notifier?
    private let about: String
    private let logger: Logger
    /// Writes the remaining lines of the access log.
    private let flush: @Sendable () -> Void
    private let parts = Mutex<Parts?>(nil)
    private let liveness: HubLiveness
    private let dumps = HubDumps()
    private let reloads = Mutex(Reloads.none)
    /// Serializes dumps.
    private let dumping = Semaphore(1)

    /// - Parameters:
    ///   - about: The name and version of the daemon, for its log.
    ///   - deadAfter: How long a hub may run no job before it counts as dead.
    init(
        signals: Signals, notifier: Notifier?, about: String, deadAfter: Duration, logger: Logger,
        flush: @escaping @Sendable () -> Void
    ) {
        self.signals = signals
        self.notifier = notifier
        self.about = about
        self.logger = logger
        self.flush = flush
        liveness = HubLiveness(deadAfter: deadAfter)
    }

    /// Returns the serving hubs that have run no job for `deadAfter`.
    func deadHubs() -> [Hub] { liveness.deadHubs() }

    /// Creates the parts with `start`, and serves until a signal. A signal during `start` ends the process at once. Throws
    /// an error when the server cannot start.
    func run(_ start: () async throws -> Parts) async throws {
        let hub = Hub.current!
        let listeningToSignals = hub.spawn(name: "signals") { [self] in try await actOnSignals() }
        defer { listeningToSignals.cancel() }
        let parts = try await start()
        self.parts.withLock { $0 = parts }
        let server = parts.server
        // The admin listener starts first and stops last, so that it can always report the server's phase.
        let administering = try await parts.admin?.start()
        if let administering { logger.notice("admin listener on \(administering.url)") }
        // Detached from this hub, so that the server creates its own hubs.
        let serving = Task.detached { try await server.run() }
        let place = place(of: try await server.boundAddresses(), hubs: server.configuration.hubs)
        logger.notice("\(about) listening on \(place)")
        if server.phase == .serving { await notifier?.send(.ready, .status("serving on \(place)")) }
        let watching = hub.spawn(name: "hub liveness") { [self] in try await watchHubs(of: server) }
        defer { watching.cancel() }
        try await serving.value
        parts.admin?.stop()
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

    private func place(of addresses: [ListenAddress], hubs: Int) -> String {
        "\(addresses.map(\.url).joined(separator: ", ")) with \(hubs) \(hubs == 1 ? "hub" : "hubs")"
    }

    /// Watches the hubs for `/livez`, and tells the service manager that the process is alive for as long as every hub answers.
    private func watchHubs(of server: HTTPServer) async throws {
        let interval = notifier?.watchdogInterval
        try await liveness.watch({ server.hubs }, atMost: interval.map { $0 / 3 }) { [notifier] in
            if interval != nil { await notifier?.send(.watchdog) }
        }
    }

    private func actOnSignals() async throws {
        let hub = Hub.current!
        try await signals.forEach { signal in
            switch signal {
            case SIGHUP:
                if requestReload() {
                    hub.spawn(name: "reload") { [self] in repeat { await reload() } while endReload() }
                }
            case SIGUSR1: hub.spawn(name: "dump") { [self] in try await dumping.withPermit { await dump() } }
            default: stop(signal)
            }
        }
    }

    private func stop(_ signal: CInt) {
        // Before the server exists there is nothing to drain, and an operator who sends a second signal does not want to wait.
        guard let server = parts.withLock({ $0?.server }), server.phase < .leaving else { _exit(128 + signal) }
        let http = server.configuration
        let planned = http.stopDelay + http.stopGrace + http.cleanupTimeout + Self.margin
        // First: whoever reads the log then finds the daemon not ready.
        server.stop()
        logger.notice("stopping: requests in flight have \(http.stopDelay + http.stopGrace) to end")
        let hub = Hub.current!
        hub.spawn(name: "stopping") { [self] in
            await notifier?.send(.stopping, .status("stopping"), .extendTimeout(planned))
        }
        hub.spawn(name: "last resort") { [self] in
            try await sleep(for: planned)
            await endWithoutServer(server)
        }
    }

    /// Ends the process although a handler or a hook ignores its cancellation, or holds its hub.
    private func endWithoutServer(_ server: HTTPServer) async {
        let left = server.hubs
        logger.critical("the server does not end: leaving it", metadata: ["hubs": "\(left.count)"])
        await dumps.write(left, to: STDERR_FILENO)
        flush()
        _exit(EXIT_FAILURE)
    }

    /// Returns whether a reload must be started. A reload that runs is followed by one more, however many signals come meanwhile.
    private func requestReload() -> Bool {
        reloads.withLock { reloads in
            defer { reloads = reloads == .none ? .running : .runningAndRequested }
            return reloads == .none
        }
    }

    /// Returns whether the reload that has ended must be followed by another one.
    private func endReload() -> Bool {
        reloads.withLock { reloads in
            defer { reloads = reloads == .runningAndRequested ? .running : .none }
            return reloads == .runningAndRequested
        }
    }

    private func reload() async {
        // A process that is stopping must not report that it is ready.
        guard let parts = parts.withLock({ $0 }), parts.server.phase < .leaving else { return }
        await notifier?.send(.reloading)
        let result = await parts.reloader.reload()
        // A hook may take long, and the stop may have begun meanwhile.
        guard parts.server.phase < .leaving else { return }
        await notifier?.send(.ready, .status(result))
    }

    private func dump() async {
        await dumps.write((parts.withLock { $0?.server.hubs } ?? []) + [Hub.current!], to: STDERR_FILENO)
    }
}
