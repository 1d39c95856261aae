internal import HTTPTypes
internal import Logging
internal import Tandem

/// What becomes of connections that are one too many: an idle one gives way, or the new one is told to come back.
extension HubServer {
    /// Refused connections that are being told so, a hub. With more, the new one is closed without a word: telling costs a
    /// descriptor for up to `lingerTimeout`.
    static let mostRefusing = 64
    /// Idle connections that are ended together, so that the search for them is made once for many that come.
    private static let mostGivingWay = 64

    /// Lets a peer in, or says why not.
    func admit(_ peer: SocketAddress.Network?) -> Admission.Refusal? {
        let verdict = tryToAdmit(peer)
        guard verdict == .serverIsFull, makeRoom() else { return verdict }
        return tryToAdmit(peer)
    }

    private func tryToAdmit(_ peer: SocketAddress.Network?) -> Admission.Refusal? {
        // Those that give way are as good as gone.
        admission.admit(
            peer, limit: min(settings.configuration.maxConnections, mostConnections) + givingWay,
            limitPerPeer: settings.configuration.maxConnectionsPerPeer)
    }

    /// Ends the connections that have been idle longest; returns whether there were any.
    private func makeRoom() -> Bool {
        // A server that is full of busy connections need not look at all of them for each that comes.
        guard mayHaveIdle else { return false }
        let idle = connections.values.filter { $0.isIdle && !$0.mustClose }
        let oldest = idle.sorted { $0.idleDeadline < $1.idleDeadline }.prefix(Self.mostGivingWay)
        for connection in oldest {
            connection.givesWay = true
            connection.drain()
        }
        givingWay += oldest.count
        mayHaveIdle = !oldest.isEmpty
        return !oldest.isEmpty
    }

    /// What a connection is told that is not served.
    static func answer(to refusal: Admission.Refusal) -> HTTPError {
        switch refusal {
        case .serverIsFull:
            HTTPError(.serviceUnavailable, "the server has as many connections as it takes; try again later", headers: retryLater)
        case .peerHasTooMany:
            HTTPError(.tooManyRequests, "your address has as many connections as this server takes of one", headers: retryLater)
        }
    }

    /// A second: long enough to spread those who obey it, short enough that nobody is kept out by a peak that has passed.
    static let retryLater: HTTPFields = [.retryAfter: "1"]

    /// Throws 503 when this hub has as many green threads as it takes.
    @inline(never)
    func checkGreenThreads() throws(HTTPError) {
        guard hub.greenThreadCount >= settings.configuration.maxGreenThreads else { return }
        throw HTTPError(
            .serviceUnavailable, "the server is busy with as many requests as it takes; try again later",
            headers: Self.retryLater)
    }
}
