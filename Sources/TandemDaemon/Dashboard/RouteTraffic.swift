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
        var requests = 0
        /// Answers with a status of 500 or more, and of 400 to 499.
        var serverErrors = 0, clientErrors = 0
        /// The number of requests of the last minute, as far as somebody has watched, and their durations; nil without requests.
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
        for series in registry.timers(MetricsRegistry.requestDuration) {
            guard case .histogram(_, let buckets, _, _) = series.value else { continue }
            let path = series.labels["http_route"] ?? ""
            let method = series.labels["http_request_method"] ?? ""
            // A route for GET also answers HEAD.
            let key = Key(method: method == "HEAD" && answersHead.contains(path) ? "GET" : method, path: path)
            let requests = Int(clamping: buckets.reduce(0, +))
            var sum = counts[key] ?? RouteCounts()
            sum.requests += requests
            switch Int(series.labels["http_response_status_code"] ?? "") ?? 0 {
            case 500...: sum.serverErrors += requests
            case 400...: sum.clientErrors += requests
            default: break
            }
            series.recent?.add(to: &sum.recent, now: now)
            counts[key] = sum
        }
    }

    /// The sums over all routes, without `active`.
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
            let name = "\(route.method.rawValue) \(route.path)"
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
    var serverErrors = 0
    var clientErrors = 0
    var recent = RecentDurations.empty()
}

extension DashboardState.Requests {
    fileprivate static func += (sum: inout Self, counts: RouteCounts) {
        sum.total += counts.requests
        sum.serverErrors += counts.serverErrors
        sum.clientErrors += counts.clientErrors
    }
}

extension RoutesState.Route {
    fileprivate mutating func add(_ counts: RouteCounts?) {
        guard let counts else { return }
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
