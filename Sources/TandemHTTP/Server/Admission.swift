internal import Glibc
internal import Synchronization
internal import Tandem

/// The count of a server's connections over all its hubs, which decides whether another one is admitted.
final class Admission: Sendable {
    /// Why a connection is not served.
    enum Refusal {
        case serverIsFull, peerHasTooMany

        /// The reason for the log.
        var reason: String {
            switch self {
            case .serverIsFull: "the server is full"
            case .peerHasTooMany: "its address has too many connections"
            }
        }
    }

    private let open = Atomic<Int>(0)
    /// The connections of each counted peer; only peers that have one.
    private let peers = Mutex<[PeerNetwork: Int]>([:])

    /// The number of connections that were admitted and have not left.
    var count: Int { open.load(ordering: .relaxed) }

    /// Admits a connection and returns nil, or returns the reason for refusing it. The caller has to call `leave` for each
    /// admitted connection.
    ///
    /// - Parameter peer: The network that the connection counts toward; nil to count it for the server only.
    func admit(_ peer: PeerNetwork?, limit: Int, limitPerPeer: Int?) -> Refusal? {
        guard open.wrappingAdd(1, ordering: .relaxed).newValue <= limit else {
            open.wrappingSubtract(1, ordering: .relaxed)
            return .serverIsFull
        }
        guard let peer, let limitPerPeer, !countIn(peer, upTo: limitPerPeer) else { return nil }
        open.wrappingSubtract(1, ordering: .relaxed)
        return .peerHasTooMany
    }

    private func countIn(_ peer: PeerNetwork, upTo limit: Int) -> Bool {
        peers.withLock { peers in
            guard peers[peer, default: 0] < limit else { return false }
            peers[peer, default: 0] += 1
            return true
        }
    }

    /// Removes an admitted connection from the count.
    func leave(_ peer: PeerNetwork?) {
        open.wrappingSubtract(1, ordering: .relaxed)
        guard let peer else { return }
        peers.withLock { peers in
            guard let count = peers[peer] else { return }
            peers[peer] = count > 1 ? count - 1 : nil
        }
    }

    /// Returns the largest number of connections for which this process has descriptors. It reserves 64 descriptors, and one
    /// more for each connection, because a request may open one too.
    static func mostByDescriptors() -> Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return .max }
        return max(1, (Int(clamping: limit.rlim_cur) - 64) / 2)
    }
}
