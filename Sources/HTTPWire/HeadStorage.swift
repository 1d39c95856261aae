/// What the parser found out about a head, beside its fields.
struct HeadSummary: Sendable {
    var method: KnownMethod
    var methodRange: ByteRange
    var version: HTTPVersion
    var targetRange: ByteRange
    var target: RequestTarget
    var authority: ByteRange?
    var framing: BodyFraming
    var keepAlive: Bool
    var asksForKeepAlive: Bool
    var expectsContinue: Bool
    var fieldCount: Int
    var byteCount: Int
}

/// One head in one heap object: the summary, then the head's bytes, then the table of its fields.
struct HeadStorage: @unchecked Sendable {
    /// Written by the initialiser and never after, which is what makes sharing it safe.
    private let buffer: ManagedBuffer<HeadSummary, UInt8>

    /// Read by address: `buffer.header` would be checked for overlapping accesses each time, and nothing writes it.
    var summary: HeadSummary {
        @inline(__always) get { unsafe buffer.withUnsafeMutablePointerToHeader { unsafe $0.pointee } }
    }

    /// Copies the bytes and the table next to the summary.
    init(_ summary: HeadSummary, bytes: Span<UInt8>, fields: borrowing FieldTable) {
        let entrySize = MemoryLayout<FieldEntry>.stride
        let capacity = summary.byteCount + summary.fieldCount * entrySize
        buffer = ManagedBuffer.create(minimumCapacity: capacity) { _ in summary }
        // Both writes are within the capacity asked for; the extraction checks the source.
        unsafe buffer.withUnsafeMutablePointerToElements { elements in
            unsafe bytes.extracting(0..<summary.byteCount).withUnsafeBufferPointer { source in
                if let start = source.baseAddress { unsafe elements.initialize(from: start, count: source.count) }
            }
            let table = unsafe UnsafeMutableRawPointer(elements + summary.byteCount)
            for index in 0..<summary.fieldCount {
                unsafe table.storeBytes(of: fields[index], toByteOffset: index * entrySize, as: FieldEntry.self)
            }
        }
    }

    /// The entry of the field at `index`.
    func entry(at index: Int) -> FieldEntry {
        precondition(index >= 0 && index < summary.fieldCount)
        let offset = summary.byteCount + index * MemoryLayout<FieldEntry>.stride
        return unsafe buffer.withUnsafeMutablePointerToElements { elements in
            unsafe UnsafeRawPointer(elements).loadUnaligned(fromByteOffset: offset, as: FieldEntry.self)
        }
    }

    /// Calls `body` with the bytes at `range`.
    func withBytes<R: ~Copyable, E: Error>(
        _ range: ByteRange, _ body: (Span<UInt8>) throws(E) -> R
    ) throws(E) -> R {
        precondition(range.start <= range.end && range.end <= summary.byteCount)
        return try unsafe buffer.withUnsafeMutablePointerToElements { elements throws(E) in
            let bytes = unsafe UnsafeBufferPointer(start: elements + Int(range.start), count: range.count)
            return try unsafe body(bytes.span)
        }
    }

    /// The bytes at `range` as text, repaired if it is not UTF-8.
    func string(_ range: ByteRange) -> String {
        withBytes(range) { $0.text }
    }
}
