internal import Tandem

/// What one hub keeps of its upstreams: origins with their lines and idle connections, libcurl's multi handle that makes
/// connections, and counts. Shared by all clients of the hub and both styles. Every call is made on the hub's thread.
final class UpstreamPool: DumpedLocal {
    /// Whose thread it is on. The hub keeps the pool.
    unowned let hub: Hub
    /// nil when nobody counts.
    let metrics: FetchMetrics?
    /// Makes connections.
    let dialer: CurlMulti
    /// Memory that bytes are read into; nothing is kept in it between two calls.
    let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 * 1024, alignment: 64)
    /// Where a request is written before it is sent; empty between two calls.
    @exclusivity(unchecked) var output: [UInt8] = []
    /// Since the hub's start.
    @exclusivity(unchecked) var counts = (retries: 0, queued: 0, reused: 0, discarded: 0)

    // Connections of HTTP/1.1 that carry a transfer, each at its `place`.
    @exclusivity(unchecked) private var busy: [UpstreamConnection] = []
    @exclusivity(unchecked) private var origins: [Origin: UpstreamOrigin] = [:]
    // With as many it is time to look for those that are not needed.
    @exclusivity(unchecked) private var mostOrigins = 256
    // The origin of the last exchange: mostly that of the next.
    @exclusivity(unchecked) private var latest: UpstreamOrigin?
    @exclusivity(unchecked) private var timers: [TransferTimer] = []
    @exclusivity(unchecked) private(set) var idleConnections = 0
    // Closes idle connections when their time is over. Armed for the first of them, or earlier.
    @exclusivity(unchecked) private var sweep: HubTimer!
    @exclusivity(unchecked) private var sweepsAt = UInt64.max

    /// The pool of `hub`, made when first asked for. Throws `unavailable`.
    static func on(_ hub: Hub) throws -> UpstreamPool {
        try hub.local(UpstreamPool.self) { try UpstreamPool(on: hub) }
    }

    private init(on hub: Hub) throws(FetchError) {
        self.hub = hub
        metrics = FetchMetrics()
        dialer = try CurlMulti(on: hub, metrics)
        // The hub keeps the pool, not the other way round.
        sweep = HubTimer(on: hub) { [unowned self] in closeExpired() }
        output.reserveCapacity(4096)
    }

    /// Runs on the hub's thread, when the hub drops its locals.
    deinit {
        for connection in busy { connection.hubStopped(FetchError(.unavailable, "the hub of this fetch has stopped")) }
        for origin in origins.values { origin.end() }
        dialer.end()
        scratch.deallocate()
    }

    // MARK: Origins

    /// What is kept of the origin of `url`. Origins outlive their exchanges for a minute.
    func origin(of url: TargetURL, _ retry: RetryPolicy) -> UpstreamOrigin {
        if let latest, latest.isOrigin(of: url) { return latest }
        let key = url.origin
        let origin = origins[key] ?? add(key, retry)
        latest = origin
        return origin
    }

    private func add(_ key: Origin, _ retry: RetryPolicy) -> UpstreamOrigin {
        // Strangers may choose the origins: those that have nothing to keep go.
        if origins.count >= mostOrigins {
            origins = origins.filter { !$0.value.isIdle }
            // Each look at all of them is paid for by as many that were added.
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

    /// Keeps a connection while it carries a transfer.
    func add(_ connection: UpstreamConnection) {
        connection.place = busy.count
        busy.append(connection)
    }

    /// Forgets a connection whose transfer is over.
    func remove(_ connection: UpstreamConnection) {
        let last = busy.removeLast()
        guard last !== connection else { return }
        busy[connection.place] = last
        last.place = connection.place
    }

    // MARK: Idle connections

    /// Counts an idle connection that expires at this time. Closes the one that has been idle longest when there are more than
    /// `most`.
    func addedIdle(expiring: UInt64, most: Int) {
        idleConnections += 1
        metrics?.connectionRests()
        if idleConnections > most { closeOldest() }
        arm(expiring)
    }

    /// A session of HTTP/2 has no transfer, and is to be closed at this time unless it gets one.
    func restSession(until expiry: UInt64) { arm(expiry) }

    private func arm(_ expiring: UInt64) {
        guard expiring < sweepsAt else { return }
        sweepsAt = expiring
        sweep.arm(Deadline(nanoseconds: expiring))
    }

    /// An idle connection is used again, or has been closed.
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

    /// What lives here now.
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
