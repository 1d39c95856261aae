public import Tandem

/// What the fetches of one hub hold at one moment.
public struct FetchStatistics: Hashable, Sendable {
    /// Exchanges under way, streams that are not read to the end among them.
    public var transfers = 0
    /// libcurl handles that wait for the next request.
    public var idleHandles = 0
    /// Sockets that are watched: connections in use, not those kept alive for the next request.
    public var sockets = 0

    /// Connections that are open, idle ones among them.
    public var connections = 0
    /// Connections that are kept for the next request.
    public var idleConnections = 0
    /// Requests that went out on a connection that had been kept, since the hub's start.
    public var reusedConnections = 0
    /// Kept connections that were closed because they had ended, or because something had come on them that nobody had asked for,
    /// since the hub's start.
    public var discardedConnections = 0
    /// Timers that wait for the next exchange; each has a wait of the hub's.
    package var keptTimers = 0
    /// Idle connections that the hub watches: those of HTTP/1.1.
    package var restingDescriptors = 0
    /// Exchanges that wait for their turn with an origin.
    public var waiting = 0
    /// Exchanges that had to wait for their turn, since the hub's start.
    public var queued = 0
    /// Requests that were sent again after a failure, since the hub's start.
    public var retries = 0

    /// Those of `hub`. Only on that hub's thread.
    public init(of hub: Hub) {
        self = (try? UpstreamPool.on(hub))?.statistics ?? FetchStatistics()
    }

    init() {}
}
