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
        /// How long the service records for the dashboard after somebody has looked.
        var lease = Duration.seconds(10)
    }

    /// The time that a hub has to answer: as for `/metrics`.
    static let patience = Duration.milliseconds(250)

    private let sources: Sources
    private let inquiry: HubInquiry
    private let started = ContinuousClock.now
    private let instance: String
    private let growth = GrowthLog()

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
        return try await offload { [self] in
            let traffic = traffic()
            var requests = traffic.total
            requests.active = Int(sources.registry.sum("http.server.active_requests"))
            let stalls = sources.stalls.all
            let readiness = sources.readiness()
            let connections = connections()
            let (lines, spans) = sources.losses()
            let attention = AttentionList(
                readiness: readiness, deadHubs: dead, stalls: stalls, traffic: traffic,
                bridges: answers.flatMap { $0.answer?.1 ?? [] }, migrations: migrations,
                grown: growth.note(["connections refused": connections.refused, "log lines": lines, "spans": spans]))
            return DashboardState(
                time: Self.now(), uptimeMicroseconds: Int((ContinuousClock.now - started) / .microseconds(1)),
                service: sources.service, version: sources.version, pid: Int(getpid()), instance: instance,
                phase: readiness.phase, isReady: readiness.isReady && dead.isEmpty, requests: requests, connections: connections,
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
            migrations.routes.map { ("\($0.method.rawValue) \($0.path)", Self.mode(of: $0, migrations)) },
            uniquingKeysWith: { $1 })
        return try await offload { [self] in
            traffic().state(modes: modes, bridges: answers.flatMap { $0.answer ?? [] })
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

    /// The state of a hub that has not answered. Blocks for up to 50 ms.
    fileprivate init(held hub: Hub, _ log: [StallLog.Entry]) {
        self.init(hub: hub.shownName, thread: hub.threadID, answers: false)
        guard let seen = hub.sighting() else { return }
        holder = seen.holder
        stack = seen.stack?.lines
        let open = log.first { $0.hub == hub.shownName && $0.isHolding }
        heldMicroseconds = open.map { Int((ContinuousClock.now - $0.began) / .microseconds(1)) }
    }
}

extension StackTrace {
    /// The names of the functions, a line per call. Looks up symbols.
    var lines: [String] { description.split(separator: "\n").map(String.init) }
}

/// Counters that matter only while they grow. Any thread.
final class GrowthLog: Sendable {
    /// How long a counter counts as growing.
    private static let memory = Duration.seconds(60)

    private struct Entry {
        var value: Int
        var grew: ContinuousClock.Instant?
    }

    private let entries = Mutex<[String: Entry]>([:])

    /// Notes the present values, and returns those that have grown in the last minute, with the seconds since then.
    func note(_ values: [String: Int]) -> [String: (value: Int, secondsAgo: Int)] {
        let now = ContinuousClock.now
        return entries.withLock { entries in
            var grown: [String: (value: Int, secondsAgo: Int)] = [:]
            for (name, value) in values {
                var entry = entries[name] ?? Entry(value: 0)
                if value > entry.value { entry.grew = now }
                entry.value = value
                entries[name] = entry
                guard let grew = entry.grew, now - grew < Self.memory else { continue }
                grown[name] = (value, Int((now - grew) / .seconds(1)))
            }
            return grown
        }
    }
}
