internal import Histogram
internal import Tandem
internal import TandemHTTP

/// The traffic of the routes: `/debug/routes`.
struct RoutesState: Codable, Sendable {
    struct Route: Codable, Sendable {
        let method: String
        /// The pattern; empty for requests that no route matched.
        let path: String
        /// The style of the handler; empty without a route.
        let style: String
        /// The mode of a migrating route; nil for other routes.
        let migration: String?
        /// Requests that have ended, and those that are being answered.
        var requests = 0, active = 0
        /// Answers with a status of 500 or more, and of 400 to 499.
        var serverErrors = 0, clientErrors = 0
        /// The number of requests of the last minute, counted only while a viewer is connected, and their durations; nil without requests.
        var recent = 0
        var p50Microseconds: Int?, p99Microseconds: Int?, maximumMicroseconds: Int?
        /// The calls across the bridges by the route's green threads.
        var bridgesToAsync = 0, bridgesToBlocking = 0
    }

    let windowSeconds: Int
    let routes: [Route]
}

/// The requests of all routes, as the metrics have counted them.
struct RouteTraffic: Sendable {
    private struct Key: Hashable {
        let method: String
        let path: String
    }

    /// The status of requests whose client left before the answer.
    private static let clientLeft = 499

    private let routes: [RouteDescription]
    private var counts: [Key: RouteCounts] = [:]
    private let age: Duration

    /// Adds up the series of `registry`. Takes some 20 µs per series, so it should not run on a serving hub.
    ///
    /// - Parameters:
    ///   - routes: The routes of the service.
    ///   - registry: The metrics.
    ///   - now: The time since some fixed moment.
    init(_ routes: [RouteDescription], _ registry: MetricsRegistry, now: Duration) {
        self.routes = routes
        age = registry.watch.age
        let answersHead = Set(routes.filter { $0.method == .get }.map(\.path))
        // A route for GET also answers HEAD.
        func key(_ labels: MetricLabels) -> Key {
            let (method, path) = (labels["http_request_method"] ?? "", labels["http_route"] ?? "")
            return Key(method: method == "HEAD" && answersHead.contains(path) ? "GET" : method, path: path)
        }
        for (labels, value) in registry.values("http.server.active_requests") {
            counts[key(labels), default: RouteCounts()].active += Int(value)
        }
        for series in registry.timers(MetricsRegistry.requestDuration) {
            guard case .histogram(_, let buckets, _, _) = series.value else { continue }
            let key = key(series.labels)
            let requests = Int(clamping: buckets.reduce(0, +))
            counts[key, default: RouteCounts()].requests += requests
            let status = Int(series.labels["http_response_status_code"] ?? "") ?? 0
            if status != Self.clientLeft { counts[key]!.answered += requests }
            switch status {
            case 500...: counts[key]!.serverErrors += requests
            case 400...: counts[key]!.clientErrors += requests
            default: break
            }
            series.recent?.add(to: &counts[key]!.recent, now: now)
        }
    }

    /// The progress of one route.
    struct Progress {
        let route: String
        /// Requests that were answered since the start, and those that are being answered.
        let answered: Int, active: Int
    }

    /// The progress of all routes with requests.
    var progress: [Progress] {
        counts.filter { !$0.key.path.isEmpty }.map {
            Progress(route: "\($0.key.method) \($0.key.path)", answered: $0.value.answered, active: $0.value.active)
        }
    }

    /// The sums over all routes.
    var total: DashboardState.Requests {
        var total = DashboardState.Requests()
        var recent = RecentDurations.empty()
        let styles = Dictionary(routes.map { (Key(method: $0.method.rawValue, path: $0.path), $0.style) }) { first, _ in first }
        for (key, counts) in counts {
            total += counts
            recent.add(counts.recent)
            switch styles[key] {
            case .async: total.async += counts.requests
            case .blocking: total.blocking += counts.requests
            case nil: break
            }
        }
        if recent.totalCount > 0 {
            total.p50Microseconds = recent.microseconds(at: 50)
            total.p99Microseconds = recent.microseconds(at: 99)
        }
        return total
    }

    /// The number of requests of each route, by the name of its green threads: "GET /title".
    var requestsByName: [String: Int] {
        Dictionary(counts.map { ("\($0.key.method) \($0.key.path)", $0.value.requests) }) { $0 + $1 }
    }

    /// Returns the state of each route in the order in which they were added, then of requests without a route.
    ///
    /// - Parameters:
    ///   - modes: The modes of migrating routes, by method and path: "GET /title".
    ///   - bridges: The calls across the bridges.
    func state(modes: [String: String], bridges: [BridgeSite]) -> RoutesState {
        let named = routes.map { route in
            let name = route.shownName
            var state = RoutesState.Route(
                method: route.method.rawValue, path: route.path, style: route.style.rawValue, migration: modes[name])
            for site in bridges where site.greenThread == name {
                switch site.direction {
                case .toAsync: state.bridgesToAsync += Int(clamping: site.calls)
                case .toBlocking: state.bridgesToBlocking += Int(clamping: site.calls)
                }
            }
            state.add(counts[Key(method: route.method.rawValue, path: route.path)])
            return state
        }
        let others = counts.keys.filter { $0.path.isEmpty }.sorted { $0.method < $1.method }.map { key in
            var state = RoutesState.Route(method: key.method, path: "", style: "", migration: nil)
            state.add(counts[key])
            return state
        }
        return RoutesState(windowSeconds: Int(min(age, RecentDurations.window) / .seconds(1)), routes: named + others)
    }
}

/// The requests of one route.
private struct RouteCounts {
    var requests = 0
    var active = 0
    /// Those of `requests` whose client did not leave.
    var answered = 0
    var serverErrors = 0
    var clientErrors = 0
    var recent = RecentDurations.empty()
}

extension DashboardState.Requests {
    fileprivate static func += (sum: inout Self, counts: RouteCounts) {
        sum.total += counts.requests
        sum.active += counts.active
        sum.serverErrors += counts.serverErrors
        sum.clientErrors += counts.clientErrors
    }
}

extension RoutesState.Route {
    fileprivate mutating func add(_ counts: RouteCounts?) {
        guard let counts else { return }
        active = counts.active
        (requests, serverErrors, clientErrors) = (counts.requests, counts.serverErrors, counts.clientErrors)
        recent = Int(clamping: counts.recent.totalCount)
        guard recent > 0 else { return }
        p50Microseconds = counts.recent.microseconds(at: 50)
        p99Microseconds = counts.recent.microseconds(at: 99)
        maximumMicroseconds = Int(clamping: counts.recent.maxRecorded)
    }
}

extension RecentDurations.Distribution {
    fileprivate func microseconds(at percentile: Double) -> Int { Int(clamping: valueAtPercentile(percentile)) }
}
