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
    /// Exchanges that wait for their turn with an origin.
    public var waiting = 0
    /// Exchanges that had to wait for their turn, since the hub's start.
    public var queued = 0
    /// Requests that were sent again after a failure, since the hub's start.
    public var retries = 0

    /// Those of `hub`. Only on that hub's thread.
    public init(of hub: Hub) {
        self = (try? CurlMulti.on(hub))?.statistics ?? FetchStatistics()
    }

    init() {}
}
