/// What `top` prints: two readings of the service, as text.
struct TopScreen {
    /// A reading of `/debug/state` and `/debug/routes`.
    struct Reading: Sendable {
        let state: DashboardState
        let routes: RoutesState
    }

    private let before: Reading
    private let now: Reading
    /// The time between the readings, in seconds.
    private let seconds: Double
    private let routeLimit: Int

    /// - Parameters:
    ///   - before: The earlier reading, for rates. After a restart of the service it counts as empty.
    ///   - now: The later reading.
    ///   - routeLimit: The maximum number of routes to list, those with the most requests first.
    init(_ before: Reading, _ now: Reading, routeLimit: Int) {
        let isSame = before.state.instance == now.state.instance
        seconds =
            isSame ? increase(before.state.uptimeMicroseconds, now.state.uptimeMicroseconds) / 1e6 : 0
        self.before = isSame ? before : now
        self.now = now
        self.routeLimit = routeLimit
    }

    /// The screen: the service, what wants attention, and tables of hubs and routes.
    var text: String {
        ([header] + attention + ["", requests, ""] + table(hubs) + [""] + table(routes)).map { Self.printable($0) + "\n" }
            .joined()
    }

    private var header: String {
        let state = now.state
        let up = state.uptimeMicroseconds / 1_000_000
        let clock =
            "\(up / 86_400) d \(Self.twoDigits(up / 3_600 % 24)):\(Self.twoDigits(up / 60 % 60)):\(Self.twoDigits(up % 60))"
        return "\(state.service) \(state.version)  \(state.phase)  up \(clock)  pid \(state.pid)"
    }

    private var attention: [String] {
        now.state.attention.flatMap { item in
            let times = item.count.map { $0 == 1 ? ", once" : ", \($0) times" } ?? ""
            let ago = item.lastSecondsAgo.map { $0 == 0 ? "" : ", last \($0) s ago" } ?? ""
            let detail = item.detail.isEmpty ? "" : ": \(item.detail)"
            return ["! \(item.severity.rawValue): \(item.title)\(detail)\(times)\(ago)", "    \(item.remedy)"]
        }
    }

    private var requests: String {
        let (old, new) = (before.state.requests, now.state.requests)
        let (blocking, async) = (increase(old.blocking, new.blocking), increase(old.async, new.async))
        let share = blocking + async == 0 ? "" : "  blocking \(Self.percent(blocking, of: blocking + async))"
        return
            "requests/s \(rate(increase(old.total, new.total)))  p50 \(Self.time(new.p50Microseconds))  p99 \(Self.time(new.p99Microseconds))"
            + "  5xx \(Self.percent(increase(old.serverErrors, new.serverErrors), of: increase(old.total, new.total)))  active \(new.active)\(share)"
            + "  connections \(now.state.connections.active)"
    }

    private var hubs: [[String]] {
        [["hub", "thread", "busy", "delay p99", "longest", "ready", "green (high)", "tasks", "waits", "stalls", "bridges/s"]]
            + now.state.hubs.map { hub in
                guard hub.answers else {
                    let held = hub.heldMicroseconds.map { " for \($0 / 1_000) ms" } ?? ""
                    return [hub.hub, "\(hub.thread)", "held\(held)", hub.holder ?? ""]
                }
                // A hub that did not answer the first time has no rates.
                let old = before.state.hubs.first { $0.hub == hub.hub && $0.answers } ?? hub
                let busy = increase(old.busyMicroseconds ?? 0, hub.busyMicroseconds ?? 0)
                let bridges =
                    increase(old.bridgesToBlocking ?? 0, hub.bridgesToBlocking ?? 0)
                    + increase(old.bridgesToAsync ?? 0, hub.bridgesToAsync ?? 0)
                return [
                    hub.hub, "\(hub.thread)", Self.percent(busy, of: seconds * 1e6),
                    Self.delay(0.99, old.delays ?? [], hub.delays ?? []), Self.delay(1, old.delays ?? [], hub.delays ?? []),
                    "\(hub.ready ?? 0)",
                    "\(hub.greenThreads ?? 0) (\(hub.greenThreadsHighWater ?? 0))", "\(hub.tasks ?? 0)", "\(hub.waits ?? 0)",
                    "\(hub.stalls ?? 0)", rate(bridges),
                ]
            }
    }

    private var routes: [[String]] {
        let old = Dictionary(before.routes.routes.map { ("\($0.method) \($0.path)", $0.requests) }) { first, _ in first }
        let rows = now.routes.routes.filter { $0.requests > 0 || $0.active > 0 }.map { route in
            (route: route, new: increase(old["\(route.method) \(route.path)"] ?? 0, route.requests))
        }.sorted { ($1.new, $1.route.active, $1.route.requests) < ($0.new, $0.route.active, $0.route.requests) }
        return [["route", "style", "requests/s", "active", "p50", "p99", "5xx", "requests"]]
            + rows.prefix(routeLimit).map { route, new in
                [
                    "\(route.method) \(route.path.isEmpty ? "(no route)" : route.path)",
                    route.style + (route.migration.map { ", \($0)" } ?? ""), rate(new), "\(route.active)",
                    Self.time(route.p50Microseconds), Self.time(route.p99Microseconds), "\(route.serverErrors)",
                    "\(route.requests)",
                ]
            }
    }

    // MARK: Text

    private func rate(_ count: Double) -> String { seconds > 0 ? "\(Self.whole(count / seconds))" : "-" }

    private static func percent(_ part: Double, of whole: Double) -> String {
        guard whole > 0 else { return "-" }
        let tenths = Self.whole(part / whole * 1_000)
        return "\(tenths / 10).\(tenths % 10) %"
    }

    private static func whole(_ number: Double) -> Int { Int(exactly: number.rounded()) ?? .max }

    private static func time(_ microseconds: Int?) -> String {
        guard let microseconds else { return "-" }
        guard microseconds >= 1_000 else { return "\(microseconds) µs" }
        return "\(microseconds / 1_000).\(microseconds / 100 % 10) ms"
    }

    /// Returns a quantile of the turns between two readings of `LoopDelays.counts`: the upper end of the bucket.
    private static func delay(_ quantile: Double, _ old: [UInt64], _ new: [UInt64]) -> String {
        let counts = new.indices.map { Double(new[$0] - min(new[$0], $0 < old.count ? old[$0] : 0)) }
        let total = counts.reduce(0, +)
        guard total > 0 else { return "-" }
        var seen = 0.0
        for (index, count) in counts.enumerated() where count > 0 {
            seen += count
            if seen >= total * quantile { return time(Int(clamping: (UInt64(1) << UInt64(index)) / 1_000)) }
        }
        return "-"
    }

    private static func twoDigits(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }

    /// Aligns the columns of rows; the first and second to the left, numbers to the right.
    private func table(_ rows: [[String]]) -> [String] {
        let columns = rows[0].count
        // A row that has fewer cells, of a held hub, does not make columns wider.
        let widths = (0..<columns).map { column in
            rows.filter { $0.count == columns }.map { $0[column].count }.max() ?? 0
        }
        return rows.map { row in
            row.enumerated().map { index, cell in
                let padding = String(repeating: " ", count: max(0, widths[index] - cell.count))
                return index < 2 ? cell + padding : padding + cell
            }.joined(separator: "  ")
        }
    }

    /// Replaces control characters, so that no text can change the terminal.
    private static func printable(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.map { $0.properties.generalCategory == .control ? "?" : $0 }))
    }
}

/// Returns by how much a counter has grown; 0 if it has gone back. What answers may be another program, so any number is possible.
private func increase(_ old: Int, _ new: Int) -> Double { max(0, Double(new) - Double(old)) }
