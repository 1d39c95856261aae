/// What stopping a server came to.
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
