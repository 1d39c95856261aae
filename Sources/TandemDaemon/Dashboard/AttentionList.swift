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
        readiness: Readiness, deadHubs: [String], stalls: [StallLog.Entry], traffic: RouteTraffic, bridges: [BridgeSite],
        migrations: MigrationReport, grown: [String: (value: Int, secondsAgo: Int)]
    ) {
        add(deadHubs)
        for stall in stalls { add(stall) }
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
                        "/livez answers 503, so that an orchestrator restarts the process. The stack of what holds the hub is below."
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

    private mutating func add(_ route: MigrationReport.Route) {
        let name = "\(route.method.rawValue) \(route.path)"
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

    private mutating func add(_ bridges: [BridgeSite], _ requests: [String: Int]) {
        var calls: [String: UInt64] = [:]
        for site in bridges where site.direction == .toAsync {
            calls["\(site.greenThread)\0\(site.file):\(site.line)", default: 0] += site.calls
        }
        for (key, count) in calls.sorted(by: { $0.key < $1.key }) {
            let parts = key.split(separator: "\0")
            guard parts.count == 2, let served = requests[String(parts[0])], served >= 10 else { continue }
            let perRequest = Int(clamping: count) / served
            guard perRequest >= Self.crossingsPerRequest else { continue }
            items.append(
                Attention(
                    key: "ping-pong \(key)", severity: .notice,
                    title: "\(parts[0]) calls async code \(perRequest) times per request at \(parts[1])",
                    remedy:
                        "Each call costs two switches of stacks. Put the loop inside one awaiting { }, or make the handler async."
                ))
        }
    }

    private mutating func add(_ grown: [String: (value: Int, secondsAgo: Int)]) {
        let texts: [(name: String, title: String, remedy: String)] = [
            (
                "connections refused", "connections are refused",
                "/metrics has them by reason. Raise http.max-connections or http.max-connections-per-peer, or add a replica."
            ),
            ("log lines", "log lines are dropped", "Standard output or standard error is read too slowly."),
            (
                "spans", "spans are dropped",
                "The collector is too slow or does not answer: see trace.otlp-endpoint and trace.otlp-queue."
            ),
        ]
        for text in texts {
            guard let (value, secondsAgo) = grown[text.name] else { continue }
            items.append(
                Attention(
                    key: text.name, severity: .warning, title: text.title, detail: "\(value) since the start",
                    remedy: text.remedy,
                    count: value, lastSecondsAgo: secondsAgo))
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
