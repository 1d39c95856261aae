/// A phase in the life of a server. The phases follow each other in this order; a server may skip some.
public enum ServerPhase: Int, Comparable, Sendable, CaseIterable, CustomStringConvertible {
    /// The server does not listen yet.
    case starting
    /// The server accepts connections and requests.
    case serving
    /// `stop` was called with a delay. The server serves as before. From this phase on, readiness checks fail.
    case leaving
    /// The server accepts no more connections, and closes each open one after the request in flight.
    case draining
    /// The server serves nothing any more. `run` has returned, or is about to.
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
