/// How much a peer may send before it is refused: every limit of the parser and of the body decoders, in one place.
///
/// A limit is enforced at the first byte beyond it, whether or not the line it belongs to has ended, so that what a
/// connection has to buffer is bounded by these numbers whatever the peer does.
public struct HTTPWireLimits: Sendable, Hashable {
    /// The request line, or the status line of a response, without its CRLF, in bytes; beyond it is 414.
    ///
    /// The default, 8,192, is above the 8,000 that RFC 9112 section 3 asks every recipient to support.
    public var requestLine: Int

    /// One field line without its CRLF, in bytes; beyond it is 431.
    ///
    /// The default, 8,192, has room for a cookie jar or a bearer token, which are the longest fields seen in practice.
    public var fieldLine: Int

    /// The number of field lines; one more is 431.
    ///
    /// The default, 100, is three times what browsers send behind two proxies, and keeps look-ups by name cheap.
    public var fieldCount: Int

    /// The whole field section with every CRLF and the empty line that ends it, in bytes; beyond it is 431.
    ///
    /// The default, 32,768, is four field lines of the greatest length. A head is addressed with 16-bit offsets, so the
    /// first line and the field section together never exceed 65,535 bytes, however high the limits are set.
    public var headBytes: Int

    /// The extensions of one chunk, in bytes; beyond it is 400.
    ///
    /// The default, 1,024, is generous: nobody has found a use for them, except to make a server read for nothing.
    public var chunkExtensionBytes: Int

    /// The extensions of all the chunks of one body, in bytes; beyond it is 400.
    ///
    /// The default, 16,384, stops a peer that sends one byte of content with a kilobyte of extensions for ever.
    public var bodyExtensionBytes: Int

    /// The hexadecimal digits of a chunk size, leading zeros included; beyond it is 400.
    ///
    /// The default, 16, writes every 64-bit number.
    public var chunkSizeDigits: Int

    /// The whole trailer section with every CRLF and the empty line that ends it, in bytes; beyond it is 431.
    ///
    /// The default, 8,192, is a quarter of a head: trailers carry a checksum or a status. They also count against
    /// ``fieldLine`` and ``fieldCount``.
    public var trailerBytes: Int

    /// The limits of a server on the open internet; see each property for the reason of its default.
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
