/// An absolute http or https URL, parsed strictly and written in canonical form.
///
/// Attacks on URL checks rely on two parsers that read the same text differently: the one that checks and the one that
/// connects. This parser accepts only texts that all parsers read alike (RFC 3986, and brackets in a query). Its result is not
/// the given text but a new one, written from the parts that it understood. It refuses user names and passwords, backslashes,
/// spaces, all bytes beyond ASCII, hosts with a trailing dot, and unusual spellings of addresses (`URLHost`).
public struct FetchURL: Hashable, Sendable, CustomStringConvertible {
    /// The origin.
    public let origin: Origin
    /// The canonical text: scheme and host in lower case, no default port, a path that is at least `/`, and no fragment.
    public let text: String
    // The offset of the path in `text`, in bytes.
    private let targetStart: Int

    /// The maximum length of a URL in bytes.
    public static let longest = 8_000

    /// Parses a URL.
    ///
    /// - Throws: `FetchError` `badURL`, whose message says what is wrong.
    public init(_ text: String) throws(FetchError) { self = try FetchURL.parse(text.utf8Span.span) }

    /// Creates a URL from a canonical text that begins with the canonical text of `origin`.
    init(canonical text: String, _ origin: Origin, targetStart: Int) {
        self.origin = origin
        self.text = text
        self.targetStart = targetStart
    }

    /// The path and the query, as in the request line (RFC 9112 section 3.2.1); at least `/`.
    public var target: String { String(decoding: text.utf8.dropFirst(targetStart), as: UTF8.self) }

    /// Whether the URL is only an origin: its path is `/`, and it has no query.
    var isOrigin: Bool { text.utf8.count == targetStart + 1 }

    /// The canonical text.
    public var description: String { text }

    /// Returns whether two URLs have the same canonical text.
    public static func == (a: FetchURL, b: FetchURL) -> Bool { a.text == b.text }

    /// Hashes the canonical text.
    public func hash(into hasher: inout Hasher) { hasher.combine(text) }

    private static func parse(_ text: Span<UInt8>) throws(FetchError) -> FetchURL {
        guard text.count <= longest else { throw refusal("it is longer than \(longest) bytes") }
        for index in text.indices where !URLBytes.contains(text[index]) {
            throw refusal("it holds \(shown(text[index])), which has to be percent-encoded")
        }
        guard let colon = firstIndex(in: text, from: 0, where: { $0 == UInt8(ascii: ":") }), colon + 2 < text.count,
            text[colon + 1] == UInt8(ascii: "/"), text[colon + 2] == UInt8(ascii: "/")
        else { throw refusal("it does not start with http:// or https://") }
        guard let scheme = Origin.Scheme(rawValue: String(text.extracting(0..<colon)).lowercased()) else {
            throw refusal("its scheme is neither http nor https")
        }
        let end = firstIndex(in: text, from: colon, where: { $0 == UInt8(ascii: "#") }) ?? text.count
        let rest = text.extracting(0..<end)
        let targetStart =
            firstIndex(in: rest, from: colon + 3, where: { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") }) ?? end
        let origin = try origin(scheme, rest.extracting(colon + 3..<targetStart))
        let target = rest.extracting(targetStart..<end)
        guard isEscapedWell(target) else { throw refusal("a % in it is not followed by two hexadecimal digits") }
        let start = origin.description
        let hasPath = target.count > 0 && target[0] == UInt8(ascii: "/")
        return FetchURL(
            canonical: start + (hasPath ? "" : "/") + String(target), origin, targetStart: start.utf8.count)
    }

    private static func origin(_ scheme: Origin.Scheme, _ authority: Span<UInt8>) throws(FetchError) -> Origin {
        guard firstIndex(in: authority, from: 0, where: { $0 == UInt8(ascii: "@") }) == nil else {
            throw refusal("it holds credentials or another @ before the path")
        }
        // An address in brackets contains colons.
        let isBracketed = authority.count > 0 && authority[0] == UInt8(ascii: "[")
        let hostEnd =
            isBracketed
            ? firstIndex(in: authority, from: 0, where: { $0 == UInt8(ascii: "]") }).map { $0 + 1 }
            : firstIndex(in: authority, from: 0, where: { $0 == UInt8(ascii: ":") })
        let hasPort = hostEnd.map { $0 < authority.count && authority[$0] == UInt8(ascii: ":") } ?? false
        let host = authority.extracting(0..<(hasPort ? hostEnd! : authority.count))
        guard let parsed = URLHost(host) else {
            throw refusal("its host \"\(String(host).prefix(60))\" is neither a name nor an address in its usual form")
        }
        guard hasPort, hostEnd! + 1 < authority.count else {
            // An empty port, as in "http://host:/", is allowed and means the default port.
            return Origin(scheme: scheme, host: parsed)
        }
        guard let port = port(authority.extracting(hostEnd! + 1..<authority.count)) else {
            throw refusal("its port is not a number from 1 to 65535")
        }
        return Origin(scheme: scheme, host: parsed, port: port)
    }

    /// Parses a port: decimal digits without leading zeros, because some parsers read those as octal.
    private static func port(_ digits: Span<UInt8>) -> Int? {
        guard 1...5 ~= digits.count, digits[0] != UInt8(ascii: "0") else { return nil }
        var port = 0
        for index in digits.indices {
            guard digits[index].isDigit else { return nil }
            port = port * 10 + Int(digits[index] - UInt8(ascii: "0"))
        }
        return port <= 65_535 ? port : nil
    }

    private static func isEscapedWell(_ target: Span<UInt8>) -> Bool {
        for index in target.indices where target[index] == UInt8(ascii: "%") {
            guard index + 2 < target.count, target[index + 1].isHexDigit, target[index + 2].isHexDigit else { return false }
        }
        return true
    }

    private static func firstIndex(in text: Span<UInt8>, from start: Int, where isWanted: (UInt8) -> Bool) -> Int? {
        for index in start..<text.count where isWanted(text[index]) { return index }
        return nil
    }

    private static func shown(_ byte: UInt8) -> String {
        0x21...0x7E ~= byte ? "\"\(UnicodeScalar(byte))\"" : "the byte 0x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }

    private static func refusal(_ reason: String) -> FetchError { FetchError(.badURL, "the URL is refused: \(reason)") }
}

/// The bytes that a URL may hold: the reserved and unreserved characters of RFC 3986, and `%`. Not among them are the
/// backslash, the space, the double quote, `|`, control characters, and all bytes beyond ASCII. The sets are bit masks of two
/// words; bit n of the first stands for byte n.
enum URLBytes {
    private static let low: UInt64 = 0xAFFF_FFFA_0000_0000
    private static let high: UInt64 = 0x47FF_FFFE_AFFF_FFFF

    @inline(__always)
    static func contains(_ byte: UInt8) -> Bool { contains(byte, low) }

    @inline(__always)
    private static func isPlain(_ byte: UInt8) -> Bool { contains(byte, plainLow) }

    @inline(__always)
    private static func contains(_ byte: UInt8, _ low: UInt64) -> Bool {
        byte < 0x80 && (byte & 0x40 == 0 ? low : high) &>> UInt64(byte & 0x3F) & 1 == 1
    }

    /// `low` without `#`, which ends a target, and `%`, which must be followed by two digits.
    private static let plainLow: UInt64 = 0xAFFF_FFD2_0000_0000

    /// Returns whether `text` from `start` on is a target that the strict parser would not change: it has no fragment, and each
    /// `%` is followed by two hexadecimal digits.
    static func areCanonicalTarget(_ text: UnsafeBufferPointer<UInt8>, from start: Int) -> Bool {
        var index = start
        while index < text.count {
            if isPlain(text[index]) {
                index += 1
                continue
            }
            guard text[index] == UInt8(ascii: "%"), index + 2 < text.count, text[index + 1].isHexDigit,
                text[index + 2].isHexDigit
            else { return false }
            index += 3
        }
        return true
    }
}
