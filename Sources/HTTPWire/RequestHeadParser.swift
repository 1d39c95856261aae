/// Parses request heads (RFC 9112 sections 2 to 5) out of the bytes of a connection, one after the other.
///
/// The parser reads the caller's buffer and keeps only offsets: it copies no byte before the head is complete. A complete head
/// is one heap object; see ``RequestHead``. Between heads, and while a head that arrives whole is parsed, the parser holds no
/// memory beside its own 16 bytes.
///
/// The parser refuses what recipients are known to read differently, because that is how requests are smuggled past a proxy: see
/// ``HTTPParseError/Code`` for the list.
///
///     var parser = RequestHeadParser()
///     if let head = try parser.parse(buffer.span.bytes) {
///         buffer.removeFirst(head.byteCount)
///     }
public struct RequestHeadParser: Sendable {
    private let limits: HeadLimits
    private var strict = StrictParser<RequestHeadScan>()

    /// Creates a parser for one connection.
    public init(limits: HTTPWireLimits = HTTPWireLimits()) {
        self.limits = HeadLimits(limits)
    }

    /// Whether a byte of the next request line has been seen: from then on a client that stalls is slow, not idle.
    ///
    /// The empty line that may come before a request line does not count.
    public var hasStarted: Bool { strict.isIdle ? false : strict.scans[0].hasStarted }

    /// Whether the head that is not complete yet, or was refused, asks by HEAD, so that an answer to it has no content. False
    /// until the whole request line has been read and is correct.
    public var isHead: Bool { strict.isIdle ? false : strict.scans[0].isHead }

    /// Scans the bytes that are new, and returns the head once it is complete.
    ///
    /// After a head the parser is ready for the next one, which starts ``RequestHead/byteCount`` bytes further on.
    ///
    /// - Parameter bytes: All bytes received and not yet consumed. They start with the same byte at each call until a head
    ///   is returned.
    /// - Returns: The head, or nil if more bytes are needed.
    /// - Throws: What is wrong, as soon as it is seen, and the same error at each later call: nothing further can be parsed from
    ///   this connection.
    public mutating func parse(_ bytes: RawSpan) throws(HTTPParseError) -> RequestHead? {
        var spare: RequestHead?
        return try parse(bytes, reusing: &spare)
    }

    /// The same, with the memory of a head that has been answered, so that a new head usually allocates nothing.
    ///
    /// - Parameters:
    ///   - bytes: As for ``parse(_:)``.
    ///   - spare: A head that the caller no longer needs, or nil. When a head is returned, this is nil. The memory is used again
    ///     if nothing else holds that head and the new one fits; otherwise it is released.
    public mutating func parse(
        _ bytes: RawSpan, reusing spare: inout RequestHead?
    ) throws(HTTPParseError) -> RequestHead? {
        try bytes.withBytes { bytes throws(HTTPParseError) in
            if strict.isIdle, FastPaths.isEnabled, let head = FastHead.parse(bytes, limits: limits, reusing: &spare) {
                return head
            }
            return try strict.parse(bytes, limits: limits, reusing: &spare)
        }
    }
}
