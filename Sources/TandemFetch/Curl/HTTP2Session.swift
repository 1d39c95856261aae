internal import Tandem

/// The HTTP/2 connection that clients with the same TLS settings share for one origin. It has its own multi handle of libcurl,
/// because freeing that handle is the only way to close the connection.
final class HTTP2Session {
    let multi: CurlMulti
    private unowned(unsafe) let origin: UpstreamOrigin
    private let settings: FetchSettings
    private let opened: UInt64
    /// The time on the hub's clock at which the session is closed if it has no transfer by then.
    private(set) var expires = UInt64.max

    init(_ origin: UpstreamOrigin, _ settings: FetchSettings) throws(FetchError) {
        self.origin = origin
        self.settings = settings
        opened = origin.hub.turnTime
        multi = try CurlMulti(on: origin.hub, origin.pool.metrics)
    }

    /// Whether the session has reached the maximum age. It then takes no more transfers.
    var isTooOld: Bool { origin.hub.turnTime - opened >= settings.maxAge }

    /// Whether the session has transfers.
    var isBusy: Bool { multi.jobCount > 0 }

    /// Records that a transfer has begun.
    func streamBegan() { expires = .max }

    /// Records that a transfer has ended. After the last one the session becomes idle.
    func streamEnded() {
        guard !isBusy else { return }
        origin.dropRetired()
        expires = min(origin.hub.turnTime.advanced(by: settings.keepAlive), opened.advanced(by: settings.maxAge))
        origin.pool.restSession(until: expires)
    }

    /// Returns whether the session is idle and its time is over.
    func closesWhenIdle(_ now: UInt64) -> Bool { multi.jobCount == 0 && expires <= now }

    func end() { multi.end() }

    func count(_ statistics: inout FetchStatistics) {
        multi.count(&statistics)
        statistics.keptTimers += 1
        if multi.jobCount == 0 { statistics.idleConnections += multi.connections }
    }
}
