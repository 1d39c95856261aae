internal import HTTPTypes

/// Literal paths by their bytes: open addressing, FNV-1a.
struct LiteralPaths: Sendable {
    private struct Slot {
        var path: [UInt8]
        var methods: MethodMap
    }
    private var slots: [Slot?] = Array(repeating: nil, count: 16)
    private var count = 0

    mutating func add(_ path: String, _ method: HTTPRequest.Method, _ index: Int) {
        if (count + 1) * 2 > slots.count { grow() }
        let bytes = Array(path.utf8)
        let position = position(of: bytes.span)
        if slots[position] == nil {
            slots[position] = Slot(path: bytes, methods: MethodMap())
            count += 1
        }
        _ = slots[position]!.methods.add(method, index)
    }

    func find(_ path: Span<UInt8>) -> MethodMap? { slots[position(of: path)]?.methods }

    /// Where the path is, or would be put.
    private func position(of path: Span<UInt8>) -> Int {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for index in path.indices { hash = (hash ^ UInt64(path[index])) &* 0x0000_0100_0000_01b3 }
        var position = Int(truncatingIfNeeded: hash) & (slots.count - 1)
        while let slot = slots[position], !slot.path.span.isEqual(to: path) { position = (position + 1) & (slots.count - 1) }
        return position
    }

    private mutating func grow() {
        let old = slots
        slots = Array(repeating: nil, count: old.count * 2)
        for case let slot? in old { slots[position(of: slot.path.span)] = slot }
    }
}

extension Span<UInt8> {
    fileprivate func isEqual(to other: Span<UInt8>) -> Bool {
        guard count == other.count else { return false }
        for index in indices where self[index] != other[index] { return false }
        return true
    }
}
