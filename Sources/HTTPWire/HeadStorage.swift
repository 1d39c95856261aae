import HTTPTypes

/// What a parser found out about a head, beside its fields.
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
    /// What follows the first `?` of the target. It ends where the target does.
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
    /// Whether the connection may carry another request, as far as version and `Connection` say.
    var keepAlive: Bool
    var hasContentEncoding: Bool
    var hasLocation: Bool
    var hasRetryAfter: Bool
    var fieldCount: UInt16
    var byteCount: UInt16
}

/// One head in one heap object: the summary, then the head's bytes, then the table of its fields.
struct HeadStorage<Summary: HeadSummary>: @unchecked Sendable {
    private struct Header {
        var summary: Summary
        /// Bytes that the object has room for.
        let capacity: UInt32
    }

    /// Written only while nothing else refers to it, which is what makes sharing it safe.
    private var buffer: ManagedBuffer<Header, UInt8>

    /// Read by address: `buffer.header` would be checked for overlapping accesses each time, and no shared one is written.
    var summary: Summary {
        @inline(__always) get { unsafe buffer.withUnsafeMutablePointerToHeader { unsafe $0.pointee.summary } }
    }

    /// Copies the bytes and the entries next to the summary.
    init(_ summary: Summary, bytes: Span<UInt8>, entries: Span<FieldEntry>) {
        let size = Self.size(summary)
        // Rounded up, so that the object has room for other heads of the same client.
        let capacity = (size | 63) + 1
        buffer = ManagedBuffer.create(minimumCapacity: capacity) { _ in Header(summary: summary, capacity: UInt32(capacity)) }
        copy(bytes, entries, summary)
    }

    /// Replaces the head by another one, if nothing else refers to this one and there is room. Returns whether it did.
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
        // Both copies are within the capacity, which is at least the size of the summary; the extraction checks the source.
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

    /// The entry of the field at `index`.
    func entry(at index: Int) -> FieldEntry {
        precondition(index >= 0 && index < Int(summary.fieldCount))
        let offset = Int(summary.byteCount) + index * MemoryLayout<FieldEntry>.stride
        return unsafe buffer.withUnsafeMutablePointerToElements { elements in
            unsafe UnsafeRawPointer(elements).loadUnaligned(fromByteOffset: offset, as: FieldEntry.self)
        }
    }

    /// The memory of the bytes at `range`, valid as long as this storage is referenced.
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

    /// The bytes at `range` as text, repaired if it is not UTF-8.
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
            // The parser has checked that the name is a token, which is all that the initialiser asks for.
            let name = HTTPField.Name(string(entry.name))!
            fields.append(withBytes(entry.value) { HTTPField(name, bytes: $0) })
        }
        return fields
    }

    /// The values of all lines of a field, joined as `HTTPFields` joins them, or nil without that field.
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

    /// The value of each line of a field, in the order received.
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
    /// A field with a value of any bytes, UTF-8 or not.
    @inline(__always)
    init(_ name: Name, bytes: Span<UInt8>) {
        self = unsafe bytes.withUnsafeBufferPointer { unsafe HTTPField(name: name, value: $0) }
    }
}
