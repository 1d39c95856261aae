/// Parses response heads (RFC 9112 sections 2, 4 and 5) out of the bytes of a connection, one after the other. A client reads
/// its responses with it.
///
/// The parser reads the caller's buffer and keeps only offsets, as ``RequestHeadParser`` does. Interim responses (1xx) are heads
/// like all others.
///
/// Lines end with CRLF, and what recipients are known to read differently is refused: see ``HTTPParseError/Code``. A response may
/// repeat `Content-Length` with the same value, and may fold a field over several lines; a request may not.
///
/// Offsets have 16 bits, so a head is at most 65,535 bytes, whatever ``HTTPWireLimits`` say; the field count is limited likewise.
public struct ResponseHeadParser: Sendable {
    private let limits: HeadLimits
    private var strict = StrictParser<ResponseHeadScan>()

    /// Creates a parser for one connection.
    public init(limits: HTTPWireLimits = HTTPWireLimits()) {
        self.limits = HeadLimits(limits)
    }

    /// Whether a byte of the next head has been seen.
    public var hasStarted: Bool { !strict.isIdle }

    /// Scans the bytes that are new, and returns the head once it is complete.
    ///
    /// After a head the parser is ready for the next one, which starts after ``ResponseHead/byteCount`` bytes and the content.
    ///
    /// - Parameter bytes: All bytes received and not yet consumed. They start with the same byte at each call until a head
    ///   is returned.
    /// - Returns: The head, or nil if more bytes are needed.
    /// - Throws: What is wrong, as soon as it is seen, and the same error at each later call: nothing further can be parsed from
    ///   this connection.
    public mutating func parse(_ bytes: RawSpan) throws(HTTPParseError) -> ResponseHead? {
        var spare: ResponseHead?
        return try parse(bytes, reusing: &spare)
    }

    /// The same, with the memory of a head that is no longer needed, so that a new head usually allocates nothing.
    ///
    /// - Parameters:
    ///   - bytes: As for ``parse(_:)``.
    ///   - spare: A head that the caller no longer needs, or nil. When a head is returned, this is nil. The memory is used again
    ///     if nothing else holds that head and the new one fits; otherwise it is released.
    public mutating func parse(
        _ bytes: RawSpan, reusing spare: inout ResponseHead?
    ) throws(HTTPParseError) -> ResponseHead? {
        try bytes.withBytes { bytes throws(HTTPParseError) in
            if strict.isIdle, FastPaths.isEnabled, let head = FastResponseHead.parse(bytes, limits: limits, reusing: &spare) {
                return head
            }
            return try strict.parse(bytes, limits: limits, reusing: &spare)
        }
    }
}
