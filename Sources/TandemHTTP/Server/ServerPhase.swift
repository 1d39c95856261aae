/// A phase in the life of a server. The phases follow each other in this order; a server may skip some.
public enum ServerPhase: Int, Comparable, Sendable, CaseIterable, CustomStringConvertible {
    /// It does not listen yet.
    case starting
    /// It takes connections and requests.
    case serving
    /// `stop` was called with a delay: the server serves as before, and readiness checks fail from here on.
    case leaving
    /// It accepts no more connections, and ends each open one after the request in flight.
    case draining
    /// `run` has returned, or is about to: nothing is served any more.
    case stopped

    /// The phase's name, such as "serving".
    public var description: String {
        switch self {
        case .starting: "starting"
        case .serving: "serving"
        case .leaving: "leaving"
        case .draining: "draining"
        case .stopped: "stopped"
        }
    }

    /// Whether a load balancer should send requests to the server.
    public var isReady: Bool { self == .serving }

    /// Returns whether `a` comes before `b`.
    public static func < (a: ServerPhase, b: ServerPhase) -> Bool { a.rawValue < b.rawValue }
}
