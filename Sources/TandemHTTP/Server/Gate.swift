internal import HTTPTypes
internal import Logging
internal import Tandem

/// Decides on one hub which clients are let in: counts them over the whole server, lets idle connections give way to new ones,
/// and bounds how many refused clients are being told so.
final class Gate {
    /// Refused clients that are being told so, per hub. Beyond it the server closes without an answer, because each costs a
    /// descriptor for up to `lingerTimeout`.
    private static let mostRefusing = 64
    /// Idle connections that are ended together, so that one search serves many new clients.
    private static let mostGivingWay = 64

    /// The decision on one client.
    enum Verdict {
        case serve
        /// Tell it so, without serving it.
        case refuse(HTTPError)
        /// Close without an answer.
        case shed
    }

    private let admission: Admission
    private let context: ServingContext
    /// The most connections that the process has descriptors for.
    private let mostByDescriptors = Admission.mostByDescriptors()
    private var refusing = 0
    private var refusals: [Admission.Refusal: LogSampler] = [:]
    /// Connections that are ending to make room: they are as good as gone.
    private var givingWay: Set<ObjectIdentifier> = []

    init(_ admission: Admission, _ context: ServingContext) {
        self.admission = admission
        self.context = context
    }

    /// Decides on a client. `leave` has to follow for one that is served, `endRefusal` for one that is refused.
    ///
    /// - Parameter connections: The connections of this hub.
    func admit(
        _ address: SocketAddress, _ network: SocketAddress.Network?, isTLS: Bool, _ configuration: HTTPServerConfiguration,
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
        // A TLS handshake would cost more than the answer says.
        guard !isTLS, refusing < Gate.mostRefusing else {
            metrics?.connectionRefused(.shed)
            return .shed
        }
        metrics?.connectionRefused(refusal == .serverIsFull ? .limit : .peerLimit)
        refusing += 1
        return .refuse(Gate.answer(to: refusal))
    }

    /// Counts a client in, or returns why there is no room for it.
    private func countIn(_ network: SocketAddress.Network?, _ configuration: HTTPServerConfiguration) -> Admission.Refusal? {
        admission.admit(
            network, limit: min(configuration.maxConnections, mostByDescriptors) + givingWay.count,
            limitPerPeer: configuration.maxConnectionsPerPeer)
    }

    /// Ends the connections that have been idle longest; returns whether there were any.
    private func makeRoom(_ connections: some Collection<Connection>) -> Bool {
        // A server that is full of busy connections need not look at all of them for each new client.
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

    /// A served connection has ended.
    func leave(_ connection: Connection) {
        givingWay.remove(ObjectIdentifier(connection))
        leave(connection.network)
    }

    /// A client that was let in could not be served.
    func leave(_ network: SocketAddress.Network?) {
        admission.leave(network)
        context.observer.metrics?.connectionEnded()
    }

    /// A refused client has been told so.
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
                .serviceUnavailable, "the server has as many connections as it takes; try again later", headers: .retryLater)
        case .peerHasTooMany:
            HTTPError(.tooManyRequests, "your address has as many connections as this server takes of one", headers: .retryLater)
        }
    }
}
