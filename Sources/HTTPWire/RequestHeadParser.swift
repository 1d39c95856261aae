/// A parser for the request heads of a connection (RFC 9112 sections 2 to 5), one after the other.
///
/// The parser reads the caller's buffer and keeps only offsets: it copies no byte before the head is complete. A complete head
/// is one heap object; see ``RequestHead``. Between heads, and while it parses a head that has arrived whole, the parser needs
/// no memory other than its own 16 bytes.
///
/// The parser refuses input that different recipients are known to read differently, because such input is used to smuggle
/// requests past a proxy. ``HTTPParseError/Code`` lists what it refuses.
///
///     var parser = RequestHeadParser()
///     if let head = try parser.parse(buffer.span.bytes) {
///         buffer.removeFirst(head.byteCount)
///     }
public struct RequestHeadParser: Sendable {
    private let limits: HeadLimits
    private var strict = StrictParser<RequestHeadScan>()

    /// Creates a parser for one connection. The limits for chunks and trailers do not matter here.
    public init(limits: HTTPWireLimits = HTTPWireLimits()) {
        self.limits = HeadLimits(limits)
    }

    /// Whether the parser has seen a byte of the next request line. From then on a client that sends nothing is slow, not idle.
    ///
    /// The empty line that may precede a request line does not count.
    public var hasStarted: Bool { strict.isIdle ? false : strict.scans[0].hasStarted }

    /// Whether the current head, which is incomplete or was refused, has the method HEAD, so that a response to it has no
    /// content. False until the parser has read the whole request line and found it correct.
    public var isHead: Bool { strict.isIdle ? false : strict.scans[0].isHead }

    /// Scans the bytes that have arrived since the previous call, and returns the head once it is complete.
    ///
    /// After it has returned a head, the parser is ready for the next one. The caller first consumes ``RequestHead/byteCount``
    /// bytes, and the body.
    ///
    /// - Parameter bytes: All bytes that were received and not consumed. Until a head is returned, each call passes the bytes
    ///   of the previous call, followed by any new ones.
    /// - Returns: The head, or nil if more bytes are needed.
    /// - Throws: ``HTTPParseError`` at the first byte that is malformed or exceeds a limit. Each later call throws the same
    ///   error, because nothing further can be parsed from this connection.
    public mutating func parse(_ bytes: RawSpan) throws(HTTPParseError) -> RequestHead? {
        var spare: RequestHead?
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
