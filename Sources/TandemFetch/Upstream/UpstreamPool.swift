internal import Tandem

/// The state of all upstreams on one hub: the origins with their lines and idle connections, libcurl's multi handle, which makes
/// connections, and counts. All clients on the hub share it, in both styles. Used only on the hub's thread.
final class UpstreamPool: DumpedLocal {
    /// The hub, which owns the pool.
    unowned let hub: Hub
    /// Whether requests have spans and metrics.
    let isObserved: Bool
    /// The metrics; nil if nothing is counted.
    let metrics: FetchMetrics?
    /// The multi handle that makes HTTP/1.1 connections.
    let dialer: CurlMulti
    /// Memory to read bytes into. Its content is not kept between two calls.
    let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 * 1024, alignment: 64)
    /// The buffer in which a request is written before it is sent. It is empty between two calls.
    @exclusivity(unchecked) var output: [UInt8] = []
    /// Counts since the hub's start.
    @exclusivity(unchecked) var counts = (retries: 0, queued: 0, reused: 0, discarded: 0)

    // The HTTP/1.1 connections that carry a transfer, each at the index `place`.
    @exclusivity(unchecked) private var busy: [UpstreamConnection] = []
    @exclusivity(unchecked) private var origins: [Origin: UpstreamOrigin] = [:]
    // The number of origins at which the pool looks for origins that it can forget.
    @exclusivity(unchecked) private var mostOrigins = 256
    // The origin of the last exchange, which is usually that of the next one.
    @exclusivity(unchecked) private var latest: UpstreamOrigin?
    @exclusivity(unchecked) private var timers: [TransferTimer] = []
    @exclusivity(unchecked) private(set) var idleConnections = 0
    // The timer that closes idle connections when their time is over. It is armed for the first of them, or earlier.
    @exclusivity(unchecked) private var sweep: HubTimer!
    @exclusivity(unchecked) private var sweepsAt = UInt64.max

    /// Returns the pool of `hub`, which the first call creates. Throws `unavailable`.
    static func on(_ hub: Hub) throws -> UpstreamPool {
        try hub.local(UpstreamPool.self) { try UpstreamPool(on: hub) }
    }

    /// Returns the pool for clients of `hub` whose requests have no spans and metrics. The first call creates it. Throws
    /// `unavailable`.
    static func unobserved(on hub: Hub) throws -> UpstreamPool {
        try hub.local(Unobserved.self) { Unobserved(try UpstreamPool(on: hub, isObserved: false)) }.pool
    }

    /// The place of the second pool, because a hub keeps one object per class.
    private final class Unobserved: DumpedLocal {
        let pool: UpstreamPool

        init(_ pool: UpstreamPool) { self.pool = pool }

        func dumpLines(limit: Int) -> [String] { pool.dumpLines(limit: limit) }
    }

    private init(on hub: Hub, isObserved: Bool = true) throws(FetchError) {
        self.hub = hub
        self.isObserved = isObserved
        metrics = isObserved ? FetchMetrics() : nil
        dialer = try CurlMulti(on: hub, metrics)
        // Unowned, because the hub owns the pool and the timer must not keep the pool alive.
        sweep = HubTimer(on: hub) { [unowned self] in closeExpired() }
        output.reserveCapacity(4096)
    }

    // Runs on the hub's thread, when the hub drops its locals.
    deinit {
        for connection in busy { connection.hubStopped(FetchError(.unavailable, "the hub of this fetch has stopped")) }
        for origin in origins.values { origin.end() }
        dialer.end()
        scratch.deallocate()
    }

    // MARK: Origins

    /// Returns the state of the origin of `url`, which it creates if needed. The pool keeps an origin for at least a minute
    /// after its last exchange.
    func origin(of url: TargetURL, _ retry: RetryPolicy) -> UpstreamOrigin {
        if let latest, latest.isOrigin(of: url) { return latest }
        let key = url.origin
        let origin = origins[key] ?? add(key, retry)
        latest = origin
        return origin
    }

    private func add(_ key: Origin, _ retry: RetryPolicy) -> UpstreamOrigin {
        // URLs may come from strangers, so the pool must forget origins that have no state to keep.
        if origins.count >= mostOrigins {
            origins = origins.filter { !$0.value.isIdle }
            // Doubled, so that the cost of the search per added origin is constant on average.
            mostOrigins = max(256, origins.count * 2)
        }
        let origin = UpstreamOrigin(key, on: self, retry)
        origins[key] = origin
        return origin
    }

    // MARK: Timers

    func takeTimer(for transfer: Transfer) -> TransferTimer {
        let timer = timers.popLast() ?? TransferTimer(on: hub)
        timer.assign(transfer)
        return timer
    }

    func giveBack(_ timer: TransferTimer) {
        timer.release()
        if timers.count < 64 { timers.append(timer) }
    }

    // MARK: Connections that carry a transfer

    /// Adds a connection that carries a transfer, and keeps it alive.
    func add(_ connection: UpstreamConnection) {
        connection.place = busy.count
        busy.append(connection)
    }

    /// Removes a connection whose transfer is over.
    func remove(_ connection: UpstreamConnection) {
        let last = busy.removeLast()
        guard last !== connection else { return }
        busy[connection.place] = last
        last.place = connection.place
    }

    // MARK: Idle connections

    /// Counts an idle connection that expires at this time. If there are more than `most`, closes the one that has been idle
    /// longest.
    func addedIdle(expiring: UInt64, most: Int) {
        idleConnections += 1
        metrics?.connectionRests()
        if idleConnections > most { closeOldest() }
        arm(expiring)
    }

    /// Arms the timer for an HTTP/2 session without transfers, which is closed at this time unless it gets one.
    func restSession(until expiry: UInt64) { arm(expiry) }

    private func arm(_ expiring: UInt64) {
        guard expiring < sweepsAt else { return }
        sweepsAt = expiring
        sweep.arm(Deadline(nanoseconds: expiring))
    }

    /// Removes an idle connection from the count: it is used again, or has been closed.
    func removedIdle() {
        idleConnections -= 1
        metrics?.connectionStirs()
    }

    private func closeOldest() {
        let oldest = origins.values.compactMap(\.oldestIdle).min { $0.idleSince < $1.idleSince }
        oldest?.close()
    }

    private func closeExpired() {
        let now = hub.clockTime
        var next = UInt64.max
        for origin in origins.values {
            origin.closeIdle { $0.expires <= now }
            next = min(next, origin.firstExpiry)
        }
        sweepsAt = next
        if next != .max { sweep.arm(Deadline(nanoseconds: next)) }
    }

    // MARK: Counts

    func dumpLines(limit: Int) -> [String] {
        origins.values.sorted { $0.text < $1.text }.prefix(limit).map { "upstream \($0.dumpLine)" }
    }

    /// The current statistics.
    var statistics: FetchStatistics {
        var statistics = FetchStatistics()
        dialer.count(&statistics)
        statistics.transfers += busy.count
        statistics.idleConnections = idleConnections
        statistics.restingDescriptors = idleConnections
        for origin in origins.values { origin.count(&statistics) }
        statistics.keptTimers += timers.count
        statistics.queued = counts.queued
        statistics.retries = counts.retries
        statistics.reusedConnections = counts.reused
        statistics.discardedConnections = counts.discarded
        return statistics
    }
}
