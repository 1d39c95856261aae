/// Parses request heads (RFC 9112 sections 2 to 5) out of the bytes of a connection, one after the other.
///
/// The parser reads the caller's buffer and keeps nothing of it but offsets: no byte is scanned twice and none is copied
/// before the head is complete. A complete head is one heap object; see ``RequestHead``.
///
/// What recipients are known to read differently is refused, because that is how requests are smuggled past a proxy: see
/// ``HTTPParseError/Code`` for the list.
///
///     var parser = RequestHeadParser()
///     if let head = try parser.parse(buffer.span.bytes) {
///         buffer.removeFirst(head.byteCount)
///     }
public struct RequestHeadParser: Sendable {
    private let limits: HTTPWireLimits
    private var line = RequestLineScanner()
    private var fields = FieldScanner(start: 0, sectionBytes: 0)
    private var target: RequestTarget?
    private var method = KnownMethod.other
    private var controls = ControlFields()
    private var table = FieldTable()

    /// A parser for one connection.
    public init(limits: HTTPWireLimits = HTTPWireLimits()) {
        self.limits = limits
    }

    /// Whether a byte of the next request line has been seen: from then on a client that stalls is slow, not idle.
    ///
    /// The empty line that may come before a request line does not count.
    public var hasStarted: Bool { line.hasStarted }

    /// Whether the head that is not complete yet, or was refused, asks by HEAD, so that an answer to it has no content. False
    /// until the whole request line has been read and found right.
    public var isHead: Bool { target != nil && method == .head }

    /// Scans what is new, and returns the head once it is complete.
    ///
    /// After a head the parser is ready for the next one, which starts ``RequestHead/byteCount`` bytes further on.
    ///
    /// - Parameter bytes: All bytes received and not yet consumed. They start with the same byte at each call until a head
    ///   is returned.
    /// - Returns: The head, or nil if more bytes are needed.
    /// - Throws: What is wrong, as soon as it is seen. Nothing further can be parsed from this connection.
    public mutating func parse(_ bytes: RawSpan) throws(HTTPParseError) -> RequestHead? {
        try bytes.withBytes { bytes throws(HTTPParseError) in try parse(bytes) }
    }

    private mutating func parse(_ bytes: Span<UInt8>) throws(HTTPParseError) -> RequestHead? {
        if target == nil {
            guard try line.scan(bytes, limits: limits) else { return nil }
            method = KnownMethod(bytes.extracting(line.start..<line.methodEnd))
            target = try RequestTarget(bytes, range: targetRange, query: line.query, method: method)
            fields = FieldScanner(start: line.position, sectionBytes: limits.headBytes)
        }
        while true {
            switch try fields.next(in: bytes, limits: limits) {
            case .needMore: return nil
            case .field(let entry):
                try controls.note(entry, in: bytes)
                table.append(entry)
            case .end:
                let head = try head(bytes)
                reset()
                return head
            }
        }
    }

    private var targetRange: Range<Int> { (line.methodEnd + 1)..<line.targetEnd }

    /// The head that has just ended, once what only the whole of it can tell is checked.
    private mutating func head(_ bytes: Span<UInt8>) throws(HTTPParseError) -> RequestHead? {
        guard let target else { return nil }
        if line.version == .http11, controls.host == nil { throw HTTPParseError(.missingHost) }
        let summary = HeadSummary(
            method: method,
            methodRange: ByteRange(line.start, line.methodEnd),
            version: line.version,
            targetRange: ByteRange(targetRange.lowerBound, targetRange.upperBound),
            target: target,
            authority: target.authority ?? controls.host,
            framing: try controls.framing(version: line.version),
            keepAlive: controls.keepsAlive(version: line.version),
            asksForKeepAlive: controls.asksForKeepAlive,
            expectsContinue: try controls.expectsContinue(version: line.version),
            fieldCount: table.count,
            byteCount: fields.position)
        return RequestHead(storage: HeadStorage(summary, bytes: bytes, fields: table))
    }

    private mutating func reset() {
        line = RequestLineScanner()
        target = nil
        controls = ControlFields()
        table.removeAll()
    }
}
