/// A URL that a client asks us to fetch, read strictly and written again in one form.
///
/// Attackers live off two parsers that read the same text differently: one that checks and one that connects. So this one takes
/// only what all agree on (RFC 3986, with nothing forgiven but brackets in a query), and what it hands on is not the text it was
/// given but the parts it understood.
public struct OutboundURL: Hashable, Sendable, CustomStringConvertible {
    /// Whom it leads to.
    public let origin: Origin
    /// Path and query, as they go on the request line; at least "/". The fragment is left out: it is never sent.
    public let target: String

    /// The longest text that is read.
    public static let longest = 8_000

    /// Reads an absolute http or https URL. Throws what is wrong with it.
    public init(_ text: String) throws(OutboundURLError) {
        guard text.utf8.count <= Self.longest else {
            throw OutboundURLError(.malformed, "it is longer than \(Self.longest) bytes")
        }
        if let byte = text.utf8.first(where: { !Self.isURLByte($0) }) {
            throw OutboundURLError(
                .malformed, "it holds \(quoted(String(UnicodeScalar(byte)))), which a URL has to percent-encode")
        }
        guard let colon = text.firstIndex(of: ":"), text[colon...].hasPrefix("://") else {
            throw OutboundURLError(.malformed, "it does not start with http:// or https://")
        }
        guard let scheme = Origin.Scheme(rawValue: text[..<colon].lowercased()) else {
            throw OutboundURLError(.unsupportedScheme, "its scheme is neither http nor https")
        }
        let rest = text[text.index(colon, offsetBy: 3)...].prefix { $0 != "#" }
        let authority = rest.prefix { $0 != "/" && $0 != "?" }
        guard !authority.contains("@") else {
            throw OutboundURLError(.malformed, "it holds credentials or another @ before the path")
        }
        let (hostText, portText) = Self.split(authority)
        guard let host = Host(String(hostText)) else {
            throw OutboundURLError(
                .malformed, "its host \(quoted(String(hostText))) is neither a name nor an address in its usual form")
        }
        // "http://host:/" is allowed, and means the default.
        guard let port = portText?.isEmpty ?? true ? scheme.defaultPort : wholeNumber(String(portText!)), 1...65_535 ~= port
        else {
            throw OutboundURLError(.malformed, "its port is not a number from 1 to 65535")
        }
        let target = rest[authority.endIndex...]
        guard Self.isEscapedWell(target) else {
            throw OutboundURLError(.malformed, "a % in it is not followed by two hexadecimal digits")
        }
        origin = Origin(scheme: scheme, host: host, port: port)
        self.target = target.hasPrefix("/") ? String(target) : "/" + target
    }

    /// The canonical form: what is fetched.
    public var description: String { origin.description + target }

    /// Host and port of an authority; the port is nil without its colon.
    private static func split(_ authority: Substring) -> (host: Substring, port: Substring?) {
        let end =
            authority.hasPrefix("[") ? authority.firstIndex(of: "]").map(authority.index(after:)) : authority.firstIndex(of: ":")
        guard let end, end < authority.endIndex, authority[end] == ":" else { return (authority, nil) }
        return (authority[..<end], authority[authority.index(after: end)...])
    }

    /// RFC 3986's reserved and unreserved characters, and `%`. No backslash, no space, no quotes, no control characters,
    /// nothing beyond ASCII. `|` is not one either.
    private static func isURLByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: #"-._~:/?#[]@!$&'()*+,;=%"#.utf8.contains(byte)
        }
    }

    private static func isEscapedWell(_ text: Substring) -> Bool {
        text.utf8.split(separator: UInt8(ascii: "%"), omittingEmptySubsequences: false).dropFirst().allSatisfy {
            $0.prefix(2).count == 2 && $0.prefix(2).allSatisfy { Character(UnicodeScalar($0)).isHexDigit }
        }
    }
}
