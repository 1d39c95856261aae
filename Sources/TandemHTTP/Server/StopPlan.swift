/// The times of the phases of a stop, counted from the call of `stop`.
struct StopPlan: Sendable {
    /// The time until the server accepts no more connections.
    var delay: Duration
    /// The time until the server cuts the remaining connections, including `delay`.
    var total: Duration

    init(delay: Duration, grace: Duration) {
        self.delay = max(delay, .zero)
        total = self.delay + max(grace, .zero)
    }

    /// Shortens the times to those of a later call. Never lengthens them.
    mutating func shorten(to other: StopPlan) {
        delay = min(delay, other.delay)
        total = min(total, other.total)
    }
}

/// The outcome of stopping a server.
public struct StopSummary: Hashable, Sendable {
    /// The number of connections without a request that were closed when draining began.
    public var idleConnections = 0
    /// The number of requests that were in flight when draining began, or arrived just then, and were answered in full.
    public var requestsEnded = 0
    /// The number of connections that were cut when the grace was over, or when `run` was cancelled.
    public var connectionsCut = 0
    /// The number of hooks of `onShutdown` that threw an error before `cleanupTimeout` was over.
    public var hooksFailed = 0
    /// The number of hooks that threw an error after `cleanupTimeout` was over, usually because the server cancelled them.
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
