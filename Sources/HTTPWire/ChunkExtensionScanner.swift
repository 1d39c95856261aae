/// A scanner that checks the syntax of chunk extensions (RFC 9112 section 7.1.1) byte by byte and discards them. No extension
/// has a meaning here.
///
/// The grammar has a recipient tolerate whitespace around `;` and `=` (`BWS`); this scanner refuses it.
struct ChunkExtensionScanner: Sendable {
    private enum Phase { case nameStart, name, valueStart, value, quoted, escaped, afterQuoted }

    private var phase = Phase.nameStart
    /// The bytes of the extensions so far: of the current chunk, and of the whole body.
    private var chunkBytes = 0
    private var bodyBytes = 0

    /// Starts to scan the extensions of a chunk, after their first `;`.
    mutating func start(limits: HTTPWireLimits) throws(HTTPParseError) {
        phase = .nameStart
        chunkBytes = 0
        try count(limits)
    }

    /// Reads one byte. Returns whether it is the CR that ends the extensions.
    mutating func readsEnd(_ byte: UInt8, limits: HTTPWireLimits) throws(HTTPParseError) -> Bool {
        let mayEnd = phase == .name || phase == .value || phase == .afterQuoted
        if byte == .carriageReturn, mayEnd { return true }
        try count(limits)
        phase = try next(byte, mayEnd: mayEnd)
        return false
    }

    private mutating func count(_ limits: HTTPWireLimits) throws(HTTPParseError) {
        chunkBytes += 1
        bodyBytes += 1
        guard chunkBytes <= limits.chunkExtensionBytes, bodyBytes <= limits.bodyExtensionBytes else {
            throw HTTPParseError(.chunkExtensionsTooLong)
        }
    }

    private func next(_ byte: UInt8, mayEnd: Bool) throws(HTTPParseError) -> Phase {
        let isToken = ByteSet.token.contains(byte)
        switch (phase, byte) {
        case (.quoted, UInt8(ascii: "\"")): return .afterQuoted
        case (.quoted, UInt8(ascii: "\\")): return .escaped
        case (.quoted, _) where byte.isFieldContent, (.escaped, _) where byte.isFieldContent: return .quoted
        case (_, UInt8(ascii: ";")) where mayEnd: return .nameStart
        case (.nameStart, _) where isToken, (.name, _) where isToken: return .name
        case (.name, UInt8(ascii: "=")): return .valueStart
        case (.valueStart, UInt8(ascii: "\"")): return .quoted
        case (.valueStart, _) where isToken, (.value, _) where isToken: return .value
        case (_, .lineFeed): throw HTTPParseError(.bareLineFeed)
        default: throw HTTPParseError(.invalidChunkExtension)
        }
    }
}
