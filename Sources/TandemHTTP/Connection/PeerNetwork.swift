internal import Tandem

/// The unit that counts as one peer: an IPv4 address, or the /64 network of an IPv6 address, which one subscriber gets.
struct PeerNetwork: Hashable, Sendable, CustomStringConvertible {
    private let network: IPAddress

    /// The address as text; of a network, its first address.
    var description: String { network.description }

    /// Returns nil for a unix socket, whose peers have no address.
    init?(_ address: SocketAddress) {
        guard let endpoint = address.endpoint else { return nil }
        switch endpoint.address.unmapped {
        case .v4(let bits): network = .v4(bits)
        case .v6(let upper, _): network = .v6(upper, 0)
        }
    }
}
