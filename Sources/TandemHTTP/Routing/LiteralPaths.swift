internal import Glibc
internal import HTTPTypes
internal import HTTPWire

/// A hash table of the routes without named segments, by the bytes of their path and by their method. It uses open addressing
/// over flat memory, so that a look-up needs no reference counting.
struct LiteralPaths: Sendable {
    private struct Slot {
        var hash: UInt64 = 0
        /// The offset of the path in `bytes`.
        var start: Int32 = 0
        /// The number of bytes in the path; -1 for an empty slot.
        var count: Int32 = -1
        /// The index of the route for each `KnownMethod`; -1 for none.
        var routes = InlineArray<10, Int16>(repeating: -1)
    }

    private var slots = [Slot](repeating: Slot(), count: 16)
    private var bytes: [UInt8] = []
    private var count = 0

    /// Adds a route. Does nothing for a method that `KnownMethod` does not name, or for a route beyond the first 32,768.
    mutating func add(_ path: String, _ method: HTTPRequest.Method, _ route: Int) {
        guard let method = KnownMethod.allCases.first(where: { $0 != .other && $0.method == method }),
            let route = Int16(exactly: route)
        else { return }
        if (count + 1) * 2 > slots.count { grow() }
        let path = Array(path.utf8)
        let position = position(of: path.span)
        if slots[position].count < 0 {
            slots[position] = Slot(hash: Self.hash(path.span), start: Int32(bytes.count), count: Int32(path.count))
            bytes += path
            count += 1
        }
        slots[position].routes[Int(method.rawValue)] = route
        let head = Int(KnownMethod.head.rawValue)
        // A GET route also answers HEAD, unless HEAD has its own route.
        if method == .get, slots[position].routes[head] < 0 { slots[position].routes[head] = route }
    }

    /// Returns the index of the route for this path and method, or nil.
    func route(_ path: Span<UInt8>, _ method: KnownMethod) -> Int? {
        let position = position(of: path)
        guard slots[position].count >= 0 else { return nil }
        let route = slots[position].routes[Int(method.rawValue)]
        return route < 0 ? nil : Int(route)
    }

    /// Returns the slot of the path, or the empty slot where it would be stored.
    private func position(of path: Span<UInt8>) -> Int {
        let hash = Self.hash(path)
        var position = Int(truncatingIfNeeded: hash) & (slots.count - 1)
        while slots[position].count >= 0, !holds(position, path, hash) { position = (position + 1) & (slots.count - 1) }
        return position
    }

    private func holds(_ position: Int, _ path: Span<UInt8>, _ hash: UInt64) -> Bool {
        guard slots[position].hash == hash, Int(slots[position].count) == path.count else { return false }
        let start = Int(slots[position].start)
        return bytes.withUnsafeBytes { bytes in
            path.withUnsafeBytes { memcmp(bytes.baseAddress! + start, $0.baseAddress!, $0.count) == 0 }
        }
    }

    /// Hashes eight bytes at a time, by a multiplication whose halves are combined.
    private static func hash(_ path: Span<UInt8>) -> UInt64 {
        path.withUnsafeBytes { path in
            var hash = UInt64(path.count)
            var index = 0
            while index + 8 <= path.count {
                mix(&hash, path.loadUnaligned(fromByteOffset: index, as: UInt64.self))
                index += 8
            }
            var rest: UInt64 = 0
            while index < path.count {
                rest = rest << 8 | UInt64(path[index])
                index += 1
            }
            mix(&hash, rest)
            return hash ^ hash >> 32
        }
    }

    private static func mix(_ hash: inout UInt64, _ word: UInt64) {
        let product = (hash ^ word).multipliedFullWidth(by: 0x9e37_79b9_7f4a_7c15)
        hash = product.high ^ product.low
    }

    private mutating func grow() {
        let old = slots
        slots = Array(repeating: Slot(), count: old.count * 2)
        for slot in old where slot.count >= 0 {
            var position = Int(truncatingIfNeeded: slot.hash) & (slots.count - 1)
            while slots[position].count >= 0 { position = (position + 1) & (slots.count - 1) }
            slots[position] = slot
        }
    }
}
