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
            isSame ? Double(now.state.uptimeMicroseconds - before.state.uptimeMicroseconds) / 1e6 : 0
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
        let (blocking, async) = (new.blocking - old.blocking, new.async - old.async)
        let share = blocking + async == 0 ? "" : "  blocking \(Self.percent(blocking, of: blocking + async))"
        return
            "requests/s \(rate(old.total, new.total))  p50 \(Self.time(new.p50Microseconds))  p99 \(Self.time(new.p99Microseconds))"
            + "  5xx \(Self.percent(new.serverErrors - old.serverErrors, of: new.total - old.total))  active \(new.active)\(share)"
            + "  connections \(now.state.connections.active)"
    }

    private var hubs: [[String]] {
        [["hub", "thread", "busy", "delay p99", "ready", "green (high)", "tasks", "waits", "stalls", "bridges/s"]]
            + now.state.hubs.map { hub in
                guard hub.answers else {
                    let held = hub.heldMicroseconds.map { " for \($0 / 1_000) ms" } ?? ""
                    return [hub.hub, "\(hub.thread)", "held\(held)", hub.holder ?? ""]
                }
                let old = before.state.hubs.first { $0.hub == hub.hub }
                let busy = (hub.busyMicroseconds ?? 0) - (old?.busyMicroseconds ?? hub.busyMicroseconds ?? 0)
                let bridges = { (hub: DashboardState.Hub) in (hub.bridgesToBlocking ?? 0) + (hub.bridgesToAsync ?? 0) }
                return [
                    hub.hub, "\(hub.thread)", Self.percent(busy, of: Int(seconds * 1e6)),
                    Self.delay(old?.delays ?? [], hub.delays ?? []), "\(hub.ready ?? 0)",
                    "\(hub.greenThreads ?? 0) (\(hub.greenThreadsHighWater ?? 0))", "\(hub.tasks ?? 0)", "\(hub.waits ?? 0)",
                    "\(hub.stalls ?? 0)", rate(old.map(bridges) ?? bridges(hub), bridges(hub)),
                ]
            }
    }

    private var routes: [[String]] {
        let old = Dictionary(before.routes.routes.map { ("\($0.method) \($0.path)", $0.requests) }) { first, _ in first }
        let rows = now.routes.routes.filter { $0.requests > 0 }.map { route in
            (route: route, new: route.requests - (old["\(route.method) \(route.path)"] ?? 0))
        }.sorted { ($1.new, $1.route.requests) < ($0.new, $0.route.requests) }
        return [["route", "style", "requests/s", "p50", "p99", "5xx", "requests"]]
            + rows.prefix(routeLimit).map { route, new in
                [
                    "\(route.method) \(route.path.isEmpty ? "(no route)" : route.path)",
                    route.style + (route.migration.map { ", \($0)" } ?? ""), rate(0, new), Self.time(route.p50Microseconds),
                    Self.time(route.p99Microseconds), "\(route.serverErrors)", "\(route.requests)",
                ]
            }
    }

    // MARK: Text

    private func rate(_ old: Int, _ new: Int) -> String {
        seconds > 0 ? "\(Int((Double(max(0, new - old)) / seconds).rounded()))" : "-"
    }

    private static func percent(_ part: Int, of whole: Int) -> String {
        guard whole > 0 else { return "-" }
        let tenths = Int((Double(max(0, part)) / Double(whole) * 1_000).rounded())
        return "\(tenths / 10).\(tenths % 10) %"
    }

    private static func time(_ microseconds: Int?) -> String {
        guard let microseconds else { return "-" }
        guard microseconds >= 1_000 else { return "\(microseconds) µs" }
        return "\(microseconds / 1_000).\(microseconds / 100 % 10) ms"
    }

    /// Returns the p99 of the turns between two readings of `LoopDelays.counts`: the upper end of the bucket.
    private static func delay(_ old: [UInt64], _ new: [UInt64]) -> String {
        let counts = new.indices.map { new[$0] - min(new[$0], $0 < old.count ? old[$0] : 0) }
        let total = counts.reduce(0, +)
        guard total > 0 else { return "-" }
        var seen: UInt64 = 0
        for (index, count) in counts.enumerated() {
            seen += count
            if Double(seen) >= Double(total) * 0.99 { return time(Int(clamping: (UInt64(1) << UInt64(index)) / 1_000)) }
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
