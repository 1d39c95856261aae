internal import Glibc
internal import Synchronization
internal import Tandem
internal import TandemHTTP

/// Reads the state of the service for the dashboard. Must be used on the supervising hub.
final class StateReader: Sendable {
    /// What the reader reads from.
    struct Sources: Sendable {
        let service: String
        let version: String
        let routes: [RouteDescription]
        let readiness: @Sendable () -> Readiness
        let deadHubs: @Sendable () -> [Hub]
        let hubs: @Sendable () -> [Hub]
        let migrations: @Sendable () async -> MigrationReport
        let registry: MetricsRegistry
        let stalls: StallLog
        /// The numbers of log lines and of spans that were dropped.
        let losses: @Sendable () -> (lines: Int, spans: Int)
        /// Runs what takes too long for a hub. A pool of its own, which the service's code cannot fill.
        let pool: OffloadPool
        /// How long the service records for the dashboard after a viewer has read.
        var lease = Duration.seconds(10)
    }

    /// The time that a hub has to answer: as for `/metrics`.
    static let patience = Duration.milliseconds(250)
    /// The time limit of work on the pool.
    static let limit = Duration.seconds(5)

    private let sources: Sources
    private let inquiry: HubInquiry
    private let started = ContinuousClock.now
    private let instance: String
    private let growth = GrowthLog()
    private let progress = ProgressLog()
    private let bridges = BridgeCounts()

    init(_ sources: Sources, asking inquiry: HubInquiry) {
        self.sources = sources
        self.inquiry = inquiry
        instance = "\(getpid())-\(Self.now())"
    }

    /// Returns the present state.
    func state() async throws -> DashboardState {
        async let report = sources.migrations()
        let answers = await inquiry.ask(sources.hubs(), within: Self.patience) { ($0.statistics, $0.bridgeSites) }
        let migrations = await report
        let dead = sources.deadHubs().map(\.shownName)
        // Adds up histograms, looks at the threads of hubs that do not answer, and looks up symbols: nothing for a hub.
        return try await sources.pool.run(deadline: .after(Self.limit)) { [self] in
            let traffic = traffic()
            let stalls = sources.stalls.all
            let readiness = sources.readiness()
            let connections = connections()
            let (lines, spans) = sources.losses()
            let attention = AttentionList(
                readiness: readiness, deadHubs: dead, stalls: stalls, traffic: traffic,
                hung: progress.hung(traffic.progress), bridges: bridges.latest(answers.map { ($0.hub, $0.answer?.1) }),
                migrations: migrations,
                grown: growth.note([.connections: connections.refused, .logLines: lines, .spans: spans]))
            return DashboardState(
                time: Self.now(), uptimeMicroseconds: Int((ContinuousClock.now - started) / .microseconds(1)),
                service: sources.service, version: sources.version, pid: Int(getpid()), instance: instance,
                phase: readiness.phase, isReady: readiness.isReady && dead.isEmpty, requests: traffic.total,
                connections: connections,
                hubs: answers.map { hub, answer in
                    answer.map { DashboardState.Hub(hub, $0.0) } ?? DashboardState.Hub(held: hub, stalls)
                },
                attention: attention.items)
        }
    }

    /// Returns the traffic of the routes.
    func routes() async throws -> RoutesState {
        async let report = sources.migrations()
        let answers = await inquiry.ask(sources.hubs(), within: Self.patience) { $0.bridgeSites }
        let migrations = await report
        let modes = Dictionary(
            migrations.routes.map { ($0.shownName, Self.mode(of: $0, migrations)) },
            uniquingKeysWith: { $1 })
        return try await sources.pool.run(deadline: .after(Self.limit)) { [self] in
            traffic().state(modes: modes, bridges: bridges.latest(answers))
        }
    }

    private func traffic() -> RouteTraffic {
        RouteTraffic(sources.routes, sources.registry, now: ContinuousClock.now - started)
    }

    private func connections() -> DashboardState.Connections {
        let registry = sources.registry
        return DashboardState.Connections(
            active: Int(registry.sum("tandem.server.connections.active")),
            accepted: Int(registry.sum("tandem.server.connections.accepted")),
            refused: Int(registry.sum("tandem.server.connections.refused")))
    }

    private static func mode(of route: MigrationReport.Route, _ report: MigrationReport) -> String {
        guard report.isEnabled else { return "old (migrate.enabled is false)" }
        return route.isRolledBack ? "\(route.migration), rolled back" : "\(route.migration)"
    }

    /// Milliseconds since 1970.
    private static func now() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return time.tv_sec * 1_000 + time.tv_nsec / 1_000_000
    }
}

extension DashboardState.Hub {
    /// The state of a hub that has answered.
    fileprivate init(_ hub: Hub, _ statistics: HubStatistics) {
        self.init(hub: hub.shownName, thread: hub.threadID, answers: true)
        busyMicroseconds = Int(statistics.loopDelays.total / .microseconds(1))
        (turns, jobs) = (Int(clamping: statistics.turns), Int(clamping: statistics.jobs))
        ready = statistics.readyJobs
        (greenThreads, greenThreadsHighWater) = (statistics.greenThreads, statistics.greenThreadsHighWater)
        (tasks, waits, timers) = (statistics.tasks, statistics.waits, statistics.timers)
        descriptors = statistics.descriptors
        bridgesToBlocking = Int(clamping: statistics.bridgesToBlocking)
        bridgesToAsync = Int(clamping: statistics.bridgesToAsync)
        (parks, stalls) = (Int(clamping: statistics.parks), Int(clamping: statistics.stalls))
        delays = statistics.loopDelays.counts
    }

    /// The state of a hub that has not answered, with what the watchdog has reported.
    fileprivate init(held hub: Hub, _ log: [StallLog.Entry]) {
        self.init(hub: hub.shownName, thread: hub.threadID, answers: false)
        guard let stall = log.first(where: { $0.hub == hub.shownName && $0.isHolding }) else { return }
        holder = stall.holder
        heldMicroseconds = Int((ContinuousClock.now - stall.began) / .microseconds(1))
    }
}

extension StackTrace {
    /// The names of the functions, a line per call. Looks up symbols.
    var lines: [String] { description.split(separator: "\n").map(String.init) }
}
