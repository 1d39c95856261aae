import HTTPTypes

/// The result of parsing a head, apart from its fields.
protocol HeadSummary: Sendable {
    var fieldCount: UInt16 { get }
    var byteCount: UInt16 { get }
}

/// The summary of a request's head.
struct RequestSummary: HeadSummary {
    var framing: BodyFraming
    var method: KnownMethod
    var version: HTTPVersion
    var form: RequestTargetForm
    var keepAlive: Bool
    var asksForKeepAlive: Bool
    var expectsContinue: Bool
    var methodRange: ByteRange
    var targetRange: ByteRange
    var path: ByteRange
    /// The offset after the first `?` of the target; nil without a `?`. The query ends at the end of the target.
    var queryStart: UInt16?
    var authority: ByteRange?
    var fieldCount: UInt16
    var byteCount: UInt16
}

/// The summary of a response's head.
struct ResponseSummary: HeadSummary {
    var contentLength: Int?
    var status: UInt16
    var reason: ByteRange
    var version: HTTPVersion
    var isChunked: Bool
    /// Whether the version and `Connection` allow another request on the connection.
    var keepAlive: Bool
    var hasContentEncoding: Bool
    var hasLocation: Bool
    var hasRetryAfter: Bool
    var fieldCount: UInt16
    var byteCount: UInt16
}

// @unchecked: the object is written only while there is one reference to it.
/// A head in one heap object: the summary, the bytes of the head, and the table of its fields, in this order.
struct HeadStorage<Summary: HeadSummary>: @unchecked Sendable {
    private struct Header {
        var summary: Summary
        /// The number of bytes that the object has room for after this header.
        let capacity: UInt32
    }

    /// Written only while there is no other reference to it, so sharing it between threads is safe.
    private var buffer: ManagedBuffer<Header, UInt8>

    /// The summary. It is read through a pointer, because each access to `buffer.header` would be checked for exclusivity. The
    /// check is not needed, because a shared buffer is never written.
    var summary: Summary {
        @inline(__always) get { unsafe buffer.withUnsafeMutablePointerToHeader { unsafe $0.pointee.summary } }
    }

    /// Creates a storage with copies of the bytes and the entries.
    init(_ summary: Summary, bytes: Span<UInt8>, entries: Span<FieldEntry>) {
        let size = Self.size(summary)
        // Rounded up, so that the object has room for later heads of the same client, which may be a little longer.
        let capacity = (size | 63) + 1
        buffer = ManagedBuffer.create(minimumCapacity: capacity) { _ in Header(summary: summary, capacity: UInt32(capacity)) }
        copy(bytes, entries, summary)
    }

    /// Replaces the head if this is the only reference to it and the new head fits. Returns whether it did.
    @inline(__always)
    mutating func replace(_ summary: Summary, bytes: Span<UInt8>, entries: Span<FieldEntry>) -> Bool {
        guard isKnownUniquelyReferenced(&buffer) else { return false }
        let fits = unsafe buffer.withUnsafeMutablePointerToHeader { header in
            guard unsafe Self.size(summary) <= Int(header.pointee.capacity) else { return false }
            unsafe header.pointee.summary = summary
            return true
        }
        guard fits else { return false }
        copy(bytes, entries, summary)
        return true
    }

    @inline(__always)
    private static func size(_ summary: Summary) -> Int {
        Int(summary.byteCount) + Int(summary.fieldCount) * MemoryLayout<FieldEntry>.stride
    }

    @inline(__always)
    private func copy(_ bytes: Span<UInt8>, _ entries: Span<FieldEntry>, _ summary: Summary) {
        precondition(entries.count == Int(summary.fieldCount))
        // Both copies are within the capacity, which is at least `size(summary)`. `extracting` checks the bounds of the source.
        unsafe buffer.withUnsafeMutablePointerToElements { elements in
            let elements = UnsafeMutableRawPointer(elements)
            unsafe bytes.extracting(0..<Int(summary.byteCount)).withUnsafeBytes { source in
                if let start = source.baseAddress { unsafe elements.copyMemory(from: start, byteCount: source.count) }
            }
            unsafe entries.withUnsafeBytes { source in
                guard let start = source.baseAddress else { return }
                unsafe (elements + Int(summary.byteCount)).copyMemory(from: start, byteCount: source.count)
            }
        }
    }

    /// Returns the entry of the field at `index`.
    func entry(at index: Int) -> FieldEntry {
        precondition(index >= 0 && index < Int(summary.fieldCount))
        let offset = Int(summary.byteCount) + index * MemoryLayout<FieldEntry>.stride
        return unsafe buffer.withUnsafeMutablePointerToElements { elements in
            unsafe UnsafeRawPointer(elements).loadUnaligned(fromByteOffset: offset, as: FieldEntry.self)
        }
    }

    /// Returns the memory of the bytes at `range`, which is valid while there is a reference to this storage.
    func memory(_ range: ByteRange) -> UnsafeBufferPointer<UInt8> {
        precondition(range.start <= range.end && range.end <= summary.byteCount)
        return unsafe buffer.withUnsafeMutablePointerToElements { elements in
            unsafe UnsafeBufferPointer(start: elements + Int(range.start), count: range.count)
        }
    }

    /// Calls `body` with the bytes at `range`.
    func withBytes<R: ~Copyable, E: Error>(
        _ range: ByteRange, _ body: (Span<UInt8>) throws(E) -> R
    ) throws(E) -> R {
        defer { extendLifetime(buffer) }
        return try unsafe body(memory(range).span)
    }

    /// Returns the bytes at `range` as text. Invalid UTF-8 is replaced by U+FFFD.
    func string(_ range: ByteRange) -> String {
        withBytes(range) { $0.text }
    }
}

extension HeadStorage {
    /// All fields in the order received.
    var fields: HTTPFields {
        let count = Int(summary.fieldCount)
        var fields = HTTPFields()
        fields.reserveCapacity(count)
        for index in 0..<count {
            let entry = entry(at: index)
            // The initializer returns nil only if the name is not a token, and the parser has checked that.
            let name = HTTPField.Name(string(entry.name))!
            fields.append(withBytes(entry.value) { HTTPField(name, bytes: $0) })
        }
        return fields
    }

    /// Returns the values of all lines of a field, joined as `HTTPFields` joins them, or nil without that field.
    func value(of name: HTTPField.Name) -> String? {
        var result: String?
        forEachValue(of: name) { value in
            if let first = result {
                result = first + (name == .cookie ? "; " : ", ") + string(value)
            } else {
                result = string(value)
            }
        }
        return result
    }

    /// Returns the value of each line of a field, in the order received.
    func values(of name: HTTPField.Name) -> [String] {
        var result: [String] = []
        forEachValue(of: name) { result.append(string($0)) }
        return result
    }

    private func forEachValue(of name: HTTPField.Name, _ body: (ByteRange) -> Void) {
        let wanted = name.canonicalName.utf8.span
        for index in 0..<Int(summary.fieldCount) {
            let entry = entry(at: index)
            guard entry.name.count == wanted.count else { continue }
            if withBytes(entry.name, { $0.equalsIgnoringCase(wanted) }) { body(entry.value) }
        }
    }
}

extension HTTPField {
    /// Creates a field from the bytes of its value, which need not be UTF-8.
    @inline(__always)
    init(_ name: Name, bytes: Span<UInt8>) {
        self = unsafe bytes.withUnsafeBufferPointer { unsafe HTTPField(name: name, value: $0) }
    }
}
