/// Where a server is in its life. Each comes after the one before it; some may be passed over.
public enum ServerPhase: Int, Comparable, Sendable, CaseIterable, CustomStringConvertible {
    /// It does not listen yet.
    case starting
    /// It takes connections and requests.
    case serving
    /// `stop` was called with a delay: the server serves as before, and readiness checks fail from here on.
    case leaving
    /// It takes no connections, and ends each it has after the request in flight.
    case draining
    /// `run` has returned, or is about to: nothing is served any more.
    case stopped

    /// Its name: "serving".
    public var description: String {
        switch self {
        case .starting: "starting"
        case .serving: "serving"
        case .leaving: "leaving"
        case .draining: "draining"
        case .stopped: "stopped"
        }
    }

    /// Whether it should be sent requests.
    public var isReady: Bool { self == .serving }

    /// Whether `a` comes first.
    public static func < (a: ServerPhase, b: ServerPhase) -> Bool { a.rawValue < b.rawValue }
}
