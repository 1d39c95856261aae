internal import HTTPTypes
internal import HTTPWire
internal import Tandem

/// The hash that divides requests by a key: FNV-1a with 64 bits, of the route, a zero byte and the key's value.
///
/// It must never change: a client would get the other handler, and the instances of a service would disagree while they are updated.
struct MigrationBucket: Sendable {
    /// The number of buckets: one for each thousandth of a percent.
    static let count: UInt64 = 100_000

    private let prefix: UInt64

    /// - Parameter route: The method and the path: "GET /users/{id}".
    init(route: String) { prefix = Self.hash([0], after: Self.hash(route.utf8, after: 0xcbf2_9ce4_8422_2325)) }

    /// Returns the bucket of a value, from 0 to 99,999. A share of requests is that of the buckets below it.
    func bucket(of value: some Sequence<UInt8>) -> UInt32 {
        UInt32(truncatingIfNeeded: Self.hash(value, after: prefix) % Self.count)
    }

    /// Returns the bucket of a request, or nil if it does not have the key.
    func bucket(of head: RequestHead, by key: Migration.Key, _ peer: Peer, _ id: RequestID) -> UInt32? {
        switch key {
        case .request:
            if let digits = id.digits { return digits.span.withUnsafeBufferPointer { bucket(of: $0) } }
            return bucket(of: id.description.utf8)
        case .peer: return PeerNetwork(peer.address).map { bucket(of: $0.description.utf8) }
        case .header(let name): return head[name].map { bucket(of: $0.utf8) }
        case .cookie(let name): return RequestCookies(head.values(of: .cookie))[name].map { bucket(of: $0.utf8) }
        }
    }

    private static func hash(_ bytes: some Sequence<UInt8>, after start: UInt64) -> UInt64 {
        bytes.reduce(start) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }
}
