/// A range of bytes in a head, as offsets from its first byte. 16 bits are enough, because a head has at most 65,535 bytes.
struct ByteRange: BitwiseCopyable, Hashable, Sendable {
    var start: UInt16
    var end: UInt16

    init(start: UInt16, end: UInt16) {
        self.start = start
        self.end = end
    }

    init(_ start: Int, _ end: Int) {
        self.init(start: UInt16(start), end: UInt16(end))
    }

    var range: Range<Int> { Int(start)..<Int(end) }
    var count: Int { Int(end) - Int(start) }
}

/// The positions of a field's name and value.
struct FieldEntry: BitwiseCopyable, Sendable {
    var name: ByteRange
    var value: ByteRange
}

/// The entries of the fields found so far. The table itself has room for 16, so that a usual head needs no allocation.
struct FieldTable: Sendable {
    private var inline = InlineArray<16, FieldEntry>(repeating: FieldEntry(name: ByteRange(0, 0), value: ByteRange(0, 0)))
    /// All entries, if there are more than 16.
    private var overflow: [FieldEntry] = []
    private(set) var count = 0

    mutating func append(_ entry: FieldEntry) {
        if count < inline.count {
            inline[count] = entry
        } else {
            if count == inline.count { overflow = inline.indices.map { inline[$0] } }
            overflow.append(entry)
        }
        count += 1
    }

    /// Calls `body` with all entries, in order.
    func withEntries<R, E: Error>(_ body: (Span<FieldEntry>) throws(E) -> R) throws(E) -> R {
        try body(count <= inline.count ? inline.span.extracting(0..<count) : overflow.span)
    }
}
