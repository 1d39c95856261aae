public import HTTPWire

/// A cookie that an answer sets (RFC 6265bis, 4.1).
///
///     router.post("/login") { request in
///         var response = Response(text: "welcome\n")
///         try response.setCookie(Cookie("__Host-session", token, maxAge: .seconds(8 * 3600)))
///         return response
///     }
///
/// The defaults are the safe ones: the cookie goes to all paths of this host only, over TLS only (browsers also take it from
/// `http://localhost`), scripts cannot read it, and other sites' requests do not carry it except for links that a user follows.
/// It lasts until the browser ends its session. A service without TLS has to pass `isSecure: false`.
public struct Cookie: Sendable, Hashable {
    /// Which requests from other sites carry the cookie.
    public enum SameSite: String, Sendable, Hashable, CaseIterable {
        /// None, not even links from other sites.
        case strict = "Strict"
        /// Links from other sites that a user follows (GET), not forms, images or scripts.
        case lax = "Lax"
        /// All. Needs `isSecure`.
        case none = "None"
    }

    /// The name, a token. Browsers accept `__Secure-…` only with `isSecure`, and `__Host-…` only with `isSecure`, the path `/`
    /// and no domain.
    public var name: String
    /// The value: visible ASCII characters except `"`, `,`, `;` and `\`, possibly all of it in double quotes. Encode other text,
    /// for example with base64.
    public var value: String
    /// The paths that the cookie goes to: this one and those below it. Nil for the directory of the request's path.
    public var path: String?
    /// The host that the cookie goes to, with all its subdomains. Nil for the host of the request alone.
    public var domain: String?
    /// The time for which the client keeps the cookie, in whole seconds; a fraction is dropped. Takes precedence over `expires`.
    public var maxAge: Duration?
    /// The moment until which the client keeps the cookie.
    public var expires: HTTPDate?
    /// Whether the client sends the cookie over TLS only.
    public var isSecure: Bool
    /// Whether the client hides the cookie from scripts.
    public var isHTTPOnly: Bool
    /// Which requests from other sites carry the cookie.
    public var sameSite: SameSite

    /// Creates a cookie. `Response.setCookie` checks it.
    public init(
        _ name: String, _ value: String, path: String? = "/", domain: String? = nil, maxAge: Duration? = nil,
        expires: HTTPDate? = nil, isSecure: Bool = true, isHTTPOnly: Bool = true, sameSite: SameSite = .lax
    ) {
        self.name = name
        self.value = value
        self.path = path
        self.domain = domain
        self.maxAge = maxAge
        self.expires = expires
        self.isSecure = isSecure
        self.isHTTPOnly = isHTTPOnly
        self.sameSite = sameSite
    }

    /// The value of the `Set-Cookie` field.
    ///
    /// Throws `CookieError` when a browser would not store the cookie, or would store another one.
    func setCookieValue() throws(CookieError) -> String {
        try check()
        var text = "\(name)=\(value)"
        if let path { text += "; Path=\(path)" }
        if let domain { text += "; Domain=\(domain)" }
        if let maxAge { text += "; Max-Age=\(maxAge.components.seconds)" }
        if let expires { text += "; Expires=\(expires)" }
        if isSecure { text += "; Secure" }
        if isHTTPOnly { text += "; HttpOnly" }
        return text + "; SameSite=\(sameSite.rawValue)"
    }

    private func check() throws(CookieError) {
        guard !name.isEmpty, name.utf8.allSatisfy(\.isTokenByte) else {
            throw CookieError(.name, "the cookie name \(quoted(name)) is not a token: use letters, digits, \"-\" and \"_\"")
        }
        guard value.isCookieValue else {
            throw CookieError(
                .value, "the value of cookie \(name) has a character that no cookie may have: encode it, for example with base64")
        }
        guard name.utf8.count + value.utf8.count <= 4_096 else {
            throw CookieError(.value, "cookie \(name): name and value have more than the 4096 bytes that browsers store")
        }
        if let path {
            guard path.utf8.first == UInt8(ascii: "/"), path.utf8.count <= 1_024,
                path.utf8.allSatisfy({ 0x20..<0x7F ~= $0 && $0 != UInt8(ascii: ";") }), path.utf8.last != UInt8(ascii: " ")
            else {
                throw CookieError(
                    .path, "cookie \(name): the path \(quoted(path)) must begin with \"/\", in ASCII, without \";\"")
            }
        }
        if let domain {
            guard domain.isDomainName else {
                throw CookieError(.domain, "cookie \(name): \(quoted(domain)) is no domain such as example.com")
            }
        }
        if let maxAge {
            guard maxAge >= .seconds(1) else {
                throw CookieError(.maxAge, "cookie \(name): maxAge must be at least 1 s; use deleteCookie to delete a cookie")
            }
        }
        if let expires {
            // The first of January of 1601: clients ignore the attribute before that (RFC 6265, 5.1.1).
            guard expires.unixSeconds >= -11_644_473_600 else {
                throw CookieError(.expires, "cookie \(name): expires must not be before the year 1601")
            }
        }
        guard sameSite != .none || isSecure else {
            throw CookieError(.sameSite, "cookie \(name): SameSite=None needs isSecure")
        }
        try checkPrefix()
    }

    /// Clients compare the prefixes without case (RFC 6265bis, 5.7).
    private func checkPrefix() throws(CookieError) {
        let lowercased = name.lowercased()
        if lowercased.hasPrefix("__secure-"), !isSecure {
            throw CookieError(.prefix, "cookie \(name): the prefix __Secure- needs isSecure")
        }
        if lowercased.hasPrefix("__host-"), !isSecure || path != "/" || domain != nil {
            throw CookieError(.prefix, "cookie \(name): the prefix __Host- needs isSecure, the path \"/\" and no domain")
        }
    }
}

/// An error about a cookie that cannot be set.
public struct CookieError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The part of the cookie that is wrong.
    public enum Part: Sendable, Hashable {
        /// The name is empty or not a token.
        case name
        /// The value has a character that is not allowed, or is too long.
        case value
        /// The path does not begin with `/`, or has a character that is not allowed.
        case path
        /// The domain is not a domain name.
        case domain
        /// The age is shorter than a second.
        case maxAge
        /// The moment is before the year 1601.
        case expires
        /// `SameSite=None` without `isSecure`.
        case sameSite
        /// The name has a prefix whose conditions the cookie does not meet.
        case prefix
    }

    /// The part of the cookie that is wrong.
    public let part: Part
    /// The expectation that was not met. It contains no value of a cookie, so that it can be logged.
    public let description: String

    init(_ part: Part, _ description: String) {
        self.part = part
        self.description = description
    }
}

extension String {
    /// Whether this is `cookie-value` (RFC 6265, 4.1.1).
    fileprivate var isCookieValue: Bool {
        let quote = UInt8(ascii: "\"")
        var octets = utf8[...]
        if octets.count >= 2, octets.first == quote, octets.last == quote { octets = octets.dropFirst().dropLast() }
        return octets.allSatisfy { 0x21..<0x7F ~= $0 && $0 != quote && !",;\\".utf8.contains($0) }
    }

    /// Whether this is a `subdomain` of RFC 1034, section 3.5, whose labels may begin with a digit (RFC 1123, 2.1).
    fileprivate var isDomainName: Bool {
        func isLetterOrDigit(_ byte: UInt8) -> Bool {
            byte &- UInt8(ascii: "0") <= 9 || (byte | 0x20) &- UInt8(ascii: "a") < 26
        }
        let labels = utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        return utf8.count <= 253
            && labels.allSatisfy { label in
                guard let first = label.first, let last = label.last, label.count <= 63 else { return false }
                return isLetterOrDigit(first) && isLetterOrDigit(last)
                    && label.allSatisfy { isLetterOrDigit($0) || $0 == UInt8(ascii: "-") }
            }
    }
}
