internal import Tandem

/// The state of one origin on one hub: the exchanges in flight and in line, the budget of retries, and the connections.
final class UpstreamOrigin {
    /// The origin.
    let origin: Origin
    /// `http://host:port`, for messages. It always has the port.
    let text: String
    /// The field line `Host: …` of a request.
    let hostLine: [UInt8]
    unowned(unsafe) let pool: UpstreamPool
    let gate: OriginGate
    /// The series of the origin's metrics; nil if nothing is counted.
    let series: FetchMetrics.Series?

    private let hostBytes: [UInt8]
    // The idle connections, in the order in which they became idle.
    @exclusivity(unchecked) private var idle: [UpstreamConnection] = []
    @exclusivity(unchecked) private var sessions: [TLSIdentity: HTTP2Session] = [:]
    // Sessions that are too old for new transfers, but still have some.
    @exclusivity(unchecked) private var retired: [HTTP2Session] = []
    // The time until which the client does not ask the upstream for HTTP/2.
    @exclusivity(unchecked) private var speaksHTTP1Until: UInt64 = 0

    init(_ origin: Origin, on pool: UpstreamPool, _ retry: RetryPolicy) {
        self.origin = origin
        self.pool = pool
        let host = "\(origin.host)"
        hostBytes = Array(host.utf8)
        text = "\(origin.scheme.rawValue):" + "//\(host):\(origin.port)"
        let isDefault = origin.port == origin.scheme.defaultPort
        hostLine = Array("Host: \(host)\(isDefault ? "" : ":\(origin.port)")\r\n".utf8)
        gate = OriginGate(text, retry, now: pool.hub.now)
        series = pool.metrics?.series(of: origin)
    }

    var hub: Hub { pool.hub }

    /// Returns whether `url` has this origin.
    func isOrigin(of url: TargetURL) -> Bool {
        url.port == origin.port && url.isSecure == (origin.scheme == .https) && url.hasHost(hostBytes)
    }

    /// Whether the pool may forget the origin: no connection, no exchange, and no recent use.
    var isIdle: Bool { idle.isEmpty && sessions.isEmpty && retired.isEmpty && gate.isIdle(now: hub.now) }

    // MARK: HTTP/1.1 connections

    /// Returns the most recently used idle connection that this client may use, or nil.
    ///
    /// Closes each connection that it finds too old, ended by the upstream, or with unexpected bytes.
    func findIdle(for settings: FetchSettings) -> UpstreamConnection? {
        guard !idle.isEmpty else { return nil }
        let now = hub.turnTime
        var index = idle.count - 1
        while index >= 0 {
            let connection = idle[index]
            if connection.suits(settings) {
                let isYoung = connection.isYoung(settings, now)
                if isYoung, connection.checkQuiet() { return connection }
                if isYoung { pool.counts.discarded += 1 }
                connection.close()
            }
            index = min(index, idle.count) - 1
        }
        return nil
    }

    func add(_ connection: UpstreamConnection, _ settings: FetchSettings) {
        idle.append(connection)
        if idle.count > settings.configuration.maxIdlePerOrigin { idle[0].close() }
        pool.addedIdle(expiring: connection.expires, most: settings.configuration.maxIdlePerHub)
    }

    /// Removes a connection that is no longer idle, because it is used again or closed.
    func remove(_ connection: UpstreamConnection) {
        // Searched from the end, because it is usually the last one.
        guard let index = idle.lastIndex(where: { $0 === connection }) else { return }
        idle.remove(at: index)
        pool.removedIdle()
    }

    func closeIdle(where isOver: (UpstreamConnection) -> Bool) {
        for connection in idle where isOver(connection) { connection.close() }
        sessions = sessions.filter { !$0.value.closesWhenIdle(hub.clockTime) }
    }

    var oldestIdle: UpstreamConnection? { idle.first }

    /// The earliest time at which an idle connection or session of this origin expires.
    var firstExpiry: UInt64 {
        let connections = idle.reduce(UInt64.max) { min($0, $1.expires) }
        return sessions.values.reduce(connections) { min($0, $1.expires) }
    }

    // MARK: HTTP/2

    /// Returns whether a request of this client may use HTTP/2, unless the upstream refuses it.
    func maySpeakHTTP2(_ settings: FetchSettings) -> Bool {
        settings.configuration.httpVersion == .http2 && origin.scheme == .https && hub.turnTime >= speaksHTTP1Until
    }

    /// Returns the HTTP/2 session for this client's TLS settings. Creates it if there is none, or if it is too old. Throws
    /// `unavailable`.
    func session(_ settings: FetchSettings) throws(FetchError) -> HTTP2Session {
        if let session = sessions[settings.tls], !session.isTooOld { return session }
        let session = try HTTP2Session(self, settings)
        // A session that is too old ends with its last transfer.
        if let old = sessions.updateValue(session, forKey: settings.tls), old.isBusy { retired.append(old) }
        return session
    }

    /// Drops the old sessions whose last transfer has ended.
    func dropRetired() { retired.removeAll { !$0.isBusy } }

    /// Records that the upstream agrees only to HTTP/1.1. The client does not ask it for HTTP/2 again for ten minutes.
    func refusedHTTP2() { speaksHTTP1Until = hub.turnTime.advanced(by: 600_000_000_000) }

    // MARK: Ending

    /// Closes all connections, because the hub has stopped.
    func end() {
        for connection in idle { connection.close() }
        for session in Array(sessions.values) + retired { session.end() }
        (sessions, retired) = ([:], [])
    }

    /// A line for dumps: `http://host:port: 3 in flight, 1 waiting, 2 idle connections, the oldest for 1.5 seconds`.
    var dumpLine: String {
        var line = "\(text): \(gate.inFlight) in flight, \(gate.waiting) waiting, \(idle.count) idle connections"
        if let oldest = idle.first {
            let now = hub.turnTime
            line += ", the oldest for \(Duration.milliseconds(Int64(clamping: (now - min(now, oldest.idleSince)) / 1_000_000)))"
        }
        if !sessions.isEmpty { line += "; \(sessions.count) sessions of HTTP/2" }
        return line
    }

    func count(_ statistics: inout FetchStatistics) {
        statistics.waiting += gate.waiting
        for session in Array(sessions.values) + retired { session.count(&statistics) }
    }
}
