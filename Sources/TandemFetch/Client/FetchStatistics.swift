public import Tandem

/// The counts of exchanges and connections on one hub.
public struct FetchStatistics: Hashable, Sendable {
    /// Requests under way, including those with streams that have not been read to the end.
    public var transfers = 0
    /// libcurl handles that are kept for the next connection, or the next HTTP/2 request.
    public var idleHandles = 0
    /// Sockets that the hub watches for libcurl: those of connections that are being made, and of HTTP/2 connections.
    public var sockets = 0

    /// Open connections, including idle ones.
    public var connections = 0
    /// Idle connections that are kept for the next request.
    public var idleConnections = 0
    /// Requests sent on a kept HTTP/1.1 connection, since the hub's start.
    public var reusedConnections = 0
    /// Kept HTTP/1.1 connections that the client closed because the upstream had ended them or had sent unexpected bytes, since
    /// the hub's start.
    public var discardedConnections = 0
    /// Timers that are kept for the next exchange. Each uses a wait of the hub.
    package var keptTimers = 0
    /// Idle HTTP/1.1 connections, which the hub watches.
    package var restingDescriptors = 0
    /// Exchanges that wait for a turn with an origin.
    public var waiting = 0
    /// Exchanges that had to wait for a turn, since the hub's start.
    public var queued = 0
    /// Requests that the `RetryPolicy` sent again, since the hub's start.
    public var retries = 0

    /// Creates the statistics of `hub`. Call it only on that hub's thread.
    public init(of hub: Hub) {
        self = (try? UpstreamPool.on(hub))?.statistics ?? FetchStatistics()
    }

    init() {}
}
