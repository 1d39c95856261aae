internal import Tandem
internal import TandemHTTP

/// What wants attention, with what to do about it.
struct AttentionList {
    /// The items, the most severe first.
    private(set) var items: [Attention] = []

    /// How long a stall is shown after its end.
    private static let memory = Duration.seconds(600)
    /// A green thread that crosses a bridge at one place more often than this per request does so in a loop.
    private static let crossingsPerRequest = 50

    init(
        readiness: Readiness, deadHubs: [String], stalls: [StallLog.Entry], traffic: RouteTraffic,
        hung: [ProgressLog.Hung], bridges: [BridgeSite],
        migrations: MigrationReport, grown: [GrowthLog.Loss: GrowthLog.Growth]
    ) {
        add(deadHubs)
        for stall in stalls { add(stall) }
        for route in hung { add(route) }
        for route in migrations.routes { add(route) }
        add(bridges, traffic.requestsByName)
        add(grown)
        add(readiness)
        let order = Attention.Severity.allCases
        items.sort { order.firstIndex(of: $0.severity)! < order.firstIndex(of: $1.severity)! }
    }

    private mutating func add(_ deadHubs: [String]) {
        for hub in deadHubs {
            items.append(
                Attention(
                    key: "dead \(hub)", severity: .critical, title: "\(hub) is dead: it has run no job for hub.dead-after-ms",
                    remedy:
                        "/livez answers 503, so that an orchestrator restarts the process. The stall of that hub, below, has the stack."
                ))
        }
    }

    private mutating func add(_ stall: StallLog.Entry) {
        let ago = ContinuousClock.now - stall.last
        guard stall.isHolding || ago < Self.memory else { return }
        let held = stall.isHolding ? ContinuousClock.now - stall.began : stall.held
        items.append(
            Attention(
                key: "stall \(stall.hub) \(stall.holder)", severity: stall.isHolding ? .critical : .warning,
                title: "\(stall.hub) \(stall.isHolding ? "is held by" : "was held by") \(stall.holder)",
                detail:
                    "\(stall.isHolding ? "so far" : "last") \(Self.text(held)), longest \(Self.text(max(held, stall.longest)))",
                remedy: """
                    While code holds a hub, all its other requests wait. The stack names the call: move it into offload { }, or make it a \
                    call that parks.
                    """,
                count: stall.count, lastSecondsAgo: stall.isHolding ? 0 : Int(ago / .seconds(1)), stack: stall.stack?.lines))
    }

    private mutating func add(_ hung: ProgressLog.Hung) {
        items.append(
            Attention(
                key: "hung \(hung.route)", severity: hung.hasAnswered ? .warning : .notice,
                title: "requests of \(hung.route) do not end",
                detail: "\(hung.active) active, none was answered for \(hung.seconds) s",
                remedy: """
                    See Waiting for what they wait for, and where. If none of them is past a Semaphore.acquire, a permit was not given \
                    back: use withPermit, or release in a defer. Endless streams are no fault.
                    """))
    }

    private mutating func add(_ route: MigrationReport.Route) {
        let name = route.shownName
        if route.isRolledBack {
            items.append(
                Attention(
                    key: "rollback \(name)", severity: .critical, title: "\(name) was rolled back to its old handler",
                    detail: "\(route.rollbacks) \(route.rollbacks == 1 ? "time" : "times")",
                    remedy: "The guard saw more errors or longer times with the new handler: see Migration. A reload tries again."
                ))
        } else if route.verdict == .differs {
            let parts = route.parts.filter { $0.verdict == .differs }.map { "\($0.part)" }
            items.append(
                Attention(
                    key: "differs \(name)", severity: .warning, title: "\(name): the answers of its two handlers differ",
                    detail: parts.prefix(5).joined(separator: ", "),
                    remedy: "See Migration for samples. Mend the new handler, or ignore the part if it may differ."))
        }
    }

    /// A place from which a route calls async code.
    private struct Crossing: Hashable {
        let route: String
        let place: String
    }

    private mutating func add(_ bridges: [BridgeSite], _ requests: [String: Int]) {
        var calls: [Crossing: Int] = [:]
        for site in bridges where site.direction == .toAsync {
            calls[Crossing(route: site.greenThread, place: "\(site.file):\(site.line)"), default: 0] += Int(clamping: site.calls)
        }
        for (crossing, count) in calls.sorted(by: { ($0.key.route, $0.key.place) < ($1.key.route, $1.key.place) }) {
            guard let served = requests[crossing.route], served >= 10, count / served >= Self.crossingsPerRequest else {
                continue
            }
            items.append(
                Attention(
                    key: "ping-pong \(crossing.route) \(crossing.place)", severity: .notice,
                    title: "\(crossing.route) calls async code in a loop at \(crossing.place)",
                    detail: "\(count / served) times per request",
                    remedy: """
                        If the called code waits, the waits add up one after the other: fetch everything at once, or let the calls run at \
                        the same time (GreenPool, a task group). If it does not, put the loop inside one awaiting { }.
                        """))
        }
    }

    private mutating func add(_ grown: [GrowthLog.Loss: GrowthLog.Growth]) {
        for loss in GrowthLog.Loss.allCases {
            guard let growth = grown[loss] else { continue }
            let (title, remedy) =
                switch loss {
                case .connections:
                    (
                        "connections are refused",
                        "/metrics has them by reason. Raise http.max-connections or http.max-connections-per-peer, or add a replica."
                    )
                case .logLines: ("log lines are dropped", "Standard output or standard error is read too slowly.")
                case .spans:
                    (
                        "spans are dropped",
                        "The collector is too slow or does not answer: see trace.otlp-endpoint and trace.otlp-queue."
                    )
                }
            items.append(
                Attention(
                    key: loss.rawValue, severity: .warning, title: title, detail: "\(growth.total) since the start",
                    remedy: remedy,
                    lastSecondsAgo: growth.secondsAgo))
        }
    }

    private mutating func add(_ readiness: Readiness) {
        guard !readiness.isReady else { return }
        items.append(
            Attention(
                key: "phase", severity: .notice, title: "the service is not ready: it is \(readiness.phase)",
                remedy: "Load balancers send no requests in this phase."))
    }

    private static func text(_ duration: Duration) -> String {
        let milliseconds = Int(duration / .milliseconds(1))
        guard milliseconds >= 10_000 else { return "\(milliseconds) ms" }
        return "\(milliseconds / 1_000) s"
    }
}
