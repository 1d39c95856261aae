/// The times that the phases of a stop may take, from the call of `stop` on.
struct StopPlan: Sendable {
    /// The time until the server accepts no more connections.
    var delay: Duration
    /// The time until the server cuts the remaining connections, including `delay`.
    var total: Duration

    init(delay: Duration, grace: Duration) {
        self.delay = max(delay, .zero)
        total = self.delay + max(grace, .zero)
    }

    /// Shortens the times to those of a later call, and never lengthens them.
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

    /// Creates an empty summary.
    public init() {}

    mutating func add(_ other: StopSummary) {
        idleConnections += other.idleConnections
        requestsEnded += other.requestsEnded
        connectionsCut += other.connectionsCut
        hooksFailed += other.hooksFailed
        hooksTimedOut += other.hooksTimedOut
    }
}
