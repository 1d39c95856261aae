/// How long the phases of a stop may take, from the call on.
struct StopPlan: Sendable {
    /// Until no more connections are accepted.
    var delay: Duration
    /// Until what is left is cut, the delay included.
    var total: Duration

    init(delay: Duration, grace: Duration) {
        self.delay = max(delay, .zero)
        total = self.delay + max(grace, .zero)
    }

    /// A later call can shorten a stop, and never lengthen it.
    mutating func shorten(to other: StopPlan) {
        delay = min(delay, other.delay)
        total = min(total, other.total)
    }
}

/// The outcome of stopping a server.
public struct StopSummary: Hashable, Sendable {
    /// Connections without a request, closed when draining began.
    public var idleConnections = 0
    /// Requests that were in flight when draining began, or came just then, and were answered in full.
    public var requestsEnded = 0
    /// Connections that were cut: when the grace was over, or by cancelling `run`.
    public var connectionsCut = 0
    /// Hooks given to `onShutdown` that threw.
    public var hooksFailed = 0
    /// Hooks that were cancelled because `cleanupTimeout` was over.
    public var hooksTimedOut = 0

    /// Nothing yet.
    public init() {}

    mutating func add(_ other: StopSummary) {
        idleConnections += other.idleConnections
        requestsEnded += other.requestsEnded
        connectionsCut += other.connectionsCut
        hooksFailed += other.hooksFailed
        hooksTimedOut += other.hooksTimedOut
    }
}
