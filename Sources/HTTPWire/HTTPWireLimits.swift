/// All limits of the parsers and the body decoders on what a peer may send.
///
/// The parser throws at the first byte beyond a limit, even if the line has not ended. So these numbers bound the bytes that a
/// connection has to buffer.
public struct HTTPWireLimits: Sendable, Hashable {
    /// The maximum length in bytes of the request line, or of the status line of a response, without its CRLF. A longer request
    /// line is refused with 414.
    ///
    /// The default is 8,192, more than the 8,000 bytes that RFC 9112 section 3 recommends as a minimum.
    public var requestLine: Int

    /// The maximum length in bytes of one field line without its CRLF. In a response it applies to all lines of a folded field
    /// together. A longer field is refused with 431.
    ///
    /// The default is 8,192: room for cookies and bearer tokens, the longest fields in practice.
    public var fieldLine: Int

    /// The maximum number of field lines in a head, and in a trailer section. More are refused with 431.
    ///
    /// The default is 100, three times what a browser sends through two proxies. A low number keeps look-ups by name cheap.
    public var fieldCount: Int

    /// The maximum size in bytes of the field section of a head, with each CRLF and the empty line that ends it, but without
    /// the first line. A larger section is refused with 431.
    ///
    /// The default is 32,768, four field lines of the maximum length. Offsets in a head have 16 bits, so the first line and the
    /// field section together never exceed 65,535 bytes, even if the limits are higher.
    public var headBytes: Int

    /// The maximum size in bytes of the extensions of one chunk. More are refused with 400.
    ///
    /// The default is 1,024. Extensions have no common use, but an attacker can use them to waste a server's time.
    public var chunkExtensionBytes: Int

    /// The maximum size in bytes of the extensions of all chunks of one body together. More are refused with 400.
    ///
    /// The default is 16,384. It stops a peer that keeps sending a kilobyte of extensions with each byte of content.
    public var bodyExtensionBytes: Int

    /// The maximum number of hexadecimal digits in a chunk size, leading zeros included. More are refused with 400.
    ///
    /// The default is 16, enough for every 64-bit number.
    public var chunkSizeDigits: Int

    /// The maximum size in bytes of the trailer section of a body, with each CRLF and the empty line that ends it. A larger
    /// section is refused with 431.
    ///
    /// The default is 8,192, a quarter of ``headBytes``: trailers usually carry a checksum or a status. The limits
    /// ``fieldLine`` and ``fieldCount`` apply to trailers too.
    public var trailerBytes: Int

    /// Creates limits. The defaults suit a server on the public internet; each property gives the reason for its default.
    public init(
        requestLine: Int = 8_192,
        fieldLine: Int = 8_192,
        fieldCount: Int = 100,
        headBytes: Int = 32_768,
        chunkExtensionBytes: Int = 1_024,
        bodyExtensionBytes: Int = 16_384,
        chunkSizeDigits: Int = 16,
        trailerBytes: Int = 8_192
    ) {
        self.requestLine = requestLine
        self.fieldLine = fieldLine
        self.fieldCount = fieldCount
        self.headBytes = headBytes
        self.chunkExtensionBytes = chunkExtensionBytes
        self.bodyExtensionBytes = bodyExtensionBytes
        self.chunkSizeDigits = chunkSizeDigits
        self.trailerBytes = trailerBytes
    }
}
