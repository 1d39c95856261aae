internal import HTTPTypes
internal import Logging
internal import Tandem

/// The admission of clients on one hub. It counts connections over the whole server, closes idle connections to make room for new
/// ones, and limits how many refused clients the server answers at a time.
final class Gate {
    /// The maximum number of refused clients per hub that the server answers at a time. Beyond it, the server closes the
    /// connection without an answer, because each answer uses a descriptor for up to `lingerTimeout`.
    private static let mostRefusing = 64
    /// The number of idle connections that are closed together, so that one search makes room for many new clients.
    private static let mostGivingWay = 64

    /// The decision on one client.
    enum Verdict {
        case serve
        /// Answer with this error, without serving the client.
        case refuse(HTTPError)
        /// Close without an answer.
        case shed
    }

    private let admission: Admission
    private let context: ServingContext
    /// The maximum number of connections for which the process has descriptors.
    private let mostByDescriptors = Admission.mostByDescriptors()
    private var refusing = 0
    private var refusals: [Admission.Refusal: LogSampler] = [:]
    /// Connections that are ending to make room. They do not count toward the limit.
    private var givingWay: Set<ObjectIdentifier> = []

    init(_ admission: Admission, _ context: ServingContext) {
        self.admission = admission
        self.context = context
    }

    /// Decides on a client. The caller has to call `leave` for a served client, and `endRefusal` for a refused one.
    ///
    /// - Parameter connections: The connections of this hub.
    func admit(
        _ address: SocketAddress, _ network: PeerNetwork?, isTLS: Bool, _ configuration: HTTPServerConfiguration,
        _ connections: some Collection<Connection>
    ) -> Verdict {
        var refusal = countIn(network, configuration)
        if refusal == .serverIsFull, makeRoom(connections) { refusal = countIn(network, configuration) }
        let metrics = context.observer.metrics
        guard let refusal else {
            metrics?.connectionBegan()
            return .serve
        }
        report(refusal, address)
        // Under TLS the answer would need a handshake, which costs too much.
        guard !isTLS, refusing < Gate.mostRefusing else {
            metrics?.connectionRefused(.shed)
            return .shed
        }
        metrics?.connectionRefused(refusal == .serverIsFull ? .limit : .peerLimit)
        refusing += 1
        return .refuse(Gate.answer(to: refusal))
    }

    /// Admits a client and returns nil, or returns the reason why there is no room for it.
    private func countIn(_ network: PeerNetwork?, _ configuration: HTTPServerConfiguration) -> Admission.Refusal? {
        admission.admit(
            network, limit: min(configuration.maxConnections, mostByDescriptors) + givingWay.count,
            limitPerPeer: configuration.maxConnectionsPerPeer)
    }

    /// Closes the connections that have been idle longest. Returns whether there were any.
    private func makeRoom(_ connections: some Collection<Connection>) -> Bool {
        // Without this check, a server full of busy connections would search all of them for each new client.
        guard context.mayHaveIdle else { return false }
        let idle = connections.filter { $0.isIdle && !$0.wire.mustClose }
        let oldest = idle.sorted { $0.idleSince < $1.idleSince }.prefix(Gate.mostGivingWay)
        for connection in oldest {
            givingWay.insert(ObjectIdentifier(connection))
            connection.drain()
        }
        context.mayHaveIdle = !oldest.isEmpty
        return !oldest.isEmpty
    }

    /// Removes a served connection that has ended from the count.
    func leave(_ connection: Connection) {
        givingWay.remove(ObjectIdentifier(connection))
        leave(connection.network)
    }

    /// Removes an admitted client from the count.
    func leave(_ network: PeerNetwork?) {
        admission.leave(network)
        context.observer.metrics?.connectionEnded()
    }

    /// Records that the refusal of a client has ended.
    func endRefusal() { refusing -= 1 }

    private func report(_ refusal: Admission.Refusal, _ address: SocketAddress) {
        guard let count = refusals[refusal, default: LogSampler()].add() else { return }
        context.logger.warning(
            "connections refused", metadata: ["reason": "\(refusal.reason)", "count": "\(count)", "peer": "\(address)"])
    }

    private static func answer(to refusal: Admission.Refusal) -> HTTPError {
        switch refusal {
        case .serverIsFull:
            HTTPError(
                .serviceUnavailable, "the server has reached its limit of connections; try again later", headers: .retryLater)
        case .peerHasTooMany:
            HTTPError(
                .tooManyRequests, "your address has reached this server's limit of connections per address", headers: .retryLater)
        }
    }
}
