/// A parser for the response heads of a connection (RFC 9112 sections 2, 4 and 5), one after the other. Clients use it.
///
/// The parser reads the caller's buffer and keeps only offsets, as ``RequestHeadParser`` does. It returns interim responses
/// (1xx) as it returns all others.
///
/// The parser refuses lines that do not end with CRLF, and other input that recipients are known to read differently; see
/// ``HTTPParseError/Code``. Unlike a request, a response may repeat `Content-Length` with the same value, and may fold a field
/// over several lines.
///
/// Offsets have 16 bits, so a head has at most 65,535 bytes, even if ``HTTPWireLimits`` allow more.
public struct ResponseHeadParser: Sendable {
    private let limits: HeadLimits
    private var strict = StrictParser<ResponseHeadScan>()

    /// Creates a parser for one connection. The limits for chunks and trailers do not matter here.
    public init(limits: HTTPWireLimits = HTTPWireLimits()) {
        self.limits = HeadLimits(limits)
    }

    /// Whether the parser has seen a byte of the next head, and the head is not complete.
    public var hasStarted: Bool { !strict.isIdle }

    /// Scans the bytes that have arrived since the previous call, and returns the head once it is complete.
    ///
    /// After it has returned a head, the parser is ready for the next one. The caller first consumes ``ResponseHead/byteCount``
    /// bytes, and the content.
    ///
    /// - Parameter bytes: All bytes that were received and not consumed. Until a head is returned, each call passes the bytes
    ///   of the previous call, followed by any new ones.
    /// - Returns: The head, or nil if more bytes are needed.
    /// - Throws: ``HTTPParseError`` at the first byte that is malformed or exceeds a limit. Each later call throws the same
    ///   error, because nothing further can be parsed from this connection.
    public mutating func parse(_ bytes: RawSpan) throws(HTTPParseError) -> ResponseHead? {
        var spare: ResponseHead?
        return try parse(bytes, reusing: &spare)
    }

    /// Parses as ``parse(_:)`` does, and reuses the memory of an earlier head, so that a new head usually needs no allocation.
    ///
    /// - Parameters:
    ///   - bytes: As for ``parse(_:)``.
    ///   - spare: A head that the caller no longer needs, or nil. It becomes nil when a head is returned. The parser reuses its
    ///     memory if there is no other reference to it and the new head fits; otherwise the memory is released.
    /// - Returns: The head, or nil if more bytes are needed.
    /// - Throws: ``HTTPParseError``, as ``parse(_:)``.
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
