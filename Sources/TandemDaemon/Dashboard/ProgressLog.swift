internal import Synchronization

/// Finds routes that have requests and answer none. Any thread.
final class ProgressLog: Sendable {
    /// A route whose requests do not end.
    struct Hung: Sendable {
        let route: String
        let active: Int
        /// The seconds since its last answer, or since its first request that is still there.
        let seconds: Int
        /// Whether it has ever answered a request. A route that never has may be one of endless streams.
        let hasAnswered: Bool
    }

    /// The time without an answer after which a route counts as hung.
    static let patience = Duration.seconds(15)

    private struct Entry {
        let answered: Int
        let isActive: Bool
        let moved: ContinuousClock.Instant
    }

    private let entries = Mutex<[String: Entry]>([:])

    /// Notes the progress of all routes, and returns those that are hung, by name.
    func hung(_ routes: [RouteTraffic.Progress], now: ContinuousClock.Instant = .now) -> [Hung] {
        entries.withLock { entries in
            var hung: [Hung] = []
            for route in routes {
                let known = entries[route.route]
                if known?.answered != route.answered || known?.isActive != true || route.active == 0 {
                    entries[route.route] = Entry(answered: route.answered, isActive: route.active > 0, moved: now)
                } else if let known, now - known.moved >= Self.patience {
                    hung.append(
                        Hung(
                            route: route.route, active: route.active, seconds: Int((now - known.moved) / .seconds(1)),
                            hasAnswered: route.answered > 0))
                }
            }
            return hung.sorted { $0.route < $1.route }
        }
    }
}
