internal import Glibc
internal import Synchronization

/// Counts a server's connections over all its hubs, and says who may come in.
final class Admission: Sendable {
    /// Why a connection is not served.
    enum Refusal {
        case serverIsFull, peerHasTooMany

        /// For the log.
        var reason: String {
            switch self {
            case .serverIsFull: "the server is full"
            case .peerHasTooMany: "its address has too many"
            }
        }
    }

    private let open = Atomic<Int>(0)
    /// Of the peers that are counted, only those that have a connection.
    private let peers = Mutex<[SocketAddress.Network: Int]>([:])

    /// Connections that were let in and have not left.
    var count: Int { open.load(ordering: .relaxed) }

    /// Lets a connection in, which then has to `leave`, or says why not.
    ///
    /// - Parameter peer: The network that it is counted under; nil to count it for the server only.
    func admit(_ peer: SocketAddress.Network?, limit: Int, limitPerPeer: Int?) -> Refusal? {
        guard open.wrappingAdd(1, ordering: .relaxed).newValue <= limit else {
            open.wrappingSubtract(1, ordering: .relaxed)
            return .serverIsFull
        }
        guard let peer, let limitPerPeer, !countIn(peer, upTo: limitPerPeer) else { return nil }
        open.wrappingSubtract(1, ordering: .relaxed)
        return .peerHasTooMany
    }

    private func countIn(_ peer: SocketAddress.Network, upTo limit: Int) -> Bool {
        peers.withLock { peers in
            guard peers[peer, default: 0] < limit else { return false }
            peers[peer, default: 0] += 1
            return true
        }
    }

    /// Takes a connection off the count again.
    func leave(_ peer: SocketAddress.Network?) {
        open.wrappingSubtract(1, ordering: .relaxed)
        guard let peer else { return }
        peers.withLock { peers in
            guard let count = peers[peer] else { return }
            peers[peer] = count > 1 ? count - 1 : nil
        }
    }

    /// The most connections that this process has descriptors for: half of what it may open beyond those that it needs
    /// for itself, because a request may open one of its own.
    static func mostByDescriptors() -> Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return .max }
        return max(1, (Int(clamping: limit.rlim_cur) - 64) / 2)
    }
}
