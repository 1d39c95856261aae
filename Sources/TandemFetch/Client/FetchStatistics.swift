public import Tandem

/// What the fetches of one hub hold at one moment.
public struct FetchStatistics: Hashable, Sendable {
    /// Exchanges under way, streams that are not read to the end among them.
    public var transfers = 0
    /// libcurl handles that are kept for the next connection, or the next request in HTTP/2.
    public var idleHandles = 0
    /// Sockets that the hub watches for libcurl: of connections that are being made, and of HTTP/2 connections in use.
    public var sockets = 0

    /// Connections that are open, idle ones among them.
    public var connections = 0
    /// Connections that are kept for the next request.
    public var idleConnections = 0
    /// Requests that went out on a kept connection of HTTP/1.1, since the hub's start.
    public var reusedConnections = 0
    /// Kept connections of HTTP/1.1 that the client closed because the upstream had ended them, or because unexpected bytes had
    /// arrived on them, since the hub's start.
    public var discardedConnections = 0
    /// Timers that wait for the next exchange; each has a wait of the hub's.
    package var keptTimers = 0
    /// Idle connections that the hub watches: those of HTTP/1.1.
    package var restingDescriptors = 0
    /// Exchanges that wait for their turn with an origin.
    public var waiting = 0
    /// Exchanges that had to wait for their turn, since the hub's start.
    public var queued = 0
    /// Requests that the `RetryPolicy` sent again, since the hub's start.
    public var retries = 0

    /// Creates the statistics of `hub`. Call it on that hub's thread only.
    public init(of hub: Hub) {
        self = (try? UpstreamPool.on(hub))?.statistics ?? FetchStatistics()
    }

    init() {}
}
