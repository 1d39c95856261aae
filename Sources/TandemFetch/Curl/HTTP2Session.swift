internal import Tandem

/// The connection of HTTP/2 that the transfers of one client with one origin share. It is a multi handle of libcurl's of its own:
/// dropping that closes the connection, which libcurl would else keep for as long as it likes.
final class HTTP2Session {
    let multi: CurlMulti
    private unowned(unsafe) let origin: UpstreamOrigin
    private let settings: FetchSettings
    private let opened: UInt64
    /// The hub's time when it is to be closed, while it has no transfer.
    private(set) var expires = UInt64.max

    init(_ origin: UpstreamOrigin, _ settings: FetchSettings) throws(FetchError) {
        self.origin = origin
        self.settings = settings
        opened = origin.hub.turnTime
        multi = try CurlMulti(on: origin.hub, origin.pool.metrics)
    }

    /// Whether it has reached its greatest age: then it takes no more transfers.
    var isTooOld: Bool { origin.hub.turnTime - opened >= settings.maxAge }

    /// Whether it has transfers.
    var isBusy: Bool { multi.jobCount > 0 }

    /// One of its transfers has begun.
    func streamBegan() { expires = .max }

    /// One of its transfers has ended. After the last one the session rests.
    func streamEnded() {
        guard !isBusy else { return }
        origin.dropRetired()
        expires = min(origin.hub.turnTime.advanced(by: settings.keepAlive), opened.advanced(by: settings.maxAge))
        origin.pool.restSession(until: expires)
    }

    /// Whether it has rested long enough.
    func closesWhenIdle(_ now: UInt64) -> Bool { multi.jobCount == 0 && expires <= now }

    func end() { multi.end() }

    func count(_ statistics: inout FetchStatistics) {
        multi.count(&statistics)
        statistics.keptTimers += 1
        if multi.jobCount == 0 { statistics.idleConnections += multi.connections }
    }
}
