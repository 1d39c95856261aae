public import Tandem

/// What the fetches of one hub hold at one moment.
public struct FetchStatistics: Hashable, Sendable {
    /// Exchanges under way, streams that are not read to the end among them.
    public var transfers = 0
    /// libcurl handles that wait for the next request.
    public var idleHandles = 0
    /// Sockets that are watched: connections in use, not those kept alive for the next request.
    public var sockets = 0

    /// Those of `hub`. Only on that hub's thread.
    public init(of hub: Hub) {
        self = (try? CurlMulti.on(hub))?.statistics ?? FetchStatistics()
    }

    init() {}
}
