internal import COpenSSL
internal import HTTPTypes
internal import Synchronization
internal import Tandem
internal import TandemHTTP

/// Decides who may read from the admin listener. Probes (`/livez`, `/readyz`, `/healthz`) are not asked.
///
/// A browser on the machine can be made to send requests to a listener on loopback. The check of `Host` keeps other sites from reading
/// the answers by DNS rebinding: the name of such a site is not on the list.
final class AdminAccess: Sendable {
    private struct Rules {
        var hosts: Set<String>
        /// The SHA-256 of the token; nil if clients need no token.
        var token: [UInt8]?
    }

    private let rules: Mutex<Rules>
    /// Whether the listener is a unix socket, which no browser reaches.
    private let isLocal: Bool

    /// - Parameters:
    ///   - hosts: The names by which clients may call the listener, besides IP addresses and localhost.
    ///   - token: The token that clients must send; nil for none.
    ///   - isLocal: Whether the listener is a unix socket.
    init(hosts: [String], token: String?, isLocal: Bool) {
        rules = Mutex(Self.rules(hosts, token))
        self.isLocal = isLocal
    }

    /// Replaces the names and the token.
    func reload(hosts: [String], token: String?) {
        let new = Self.rules(hosts, token)
        rules.withLock { $0 = new }
    }

    private static func rules(_ hosts: [String], _ token: String?) -> Rules {
        Rules(hosts: Set(hosts.map(host)), token: token.map { sha256([UInt8]($0.utf8)) })
    }

    /// Returns if the request is allowed.
    ///
    /// - Throws: `HTTPError` 421 for another host, 403 for a request that another site caused, 401 without the token.
    func check(_ request: Request) throws(HTTPError) {
        let rules = rules.withLock { $0 }
        if !isLocal { try checkHost(request, rules) }
        try checkSite(request)
        guard let token = rules.token else { return }
        guard let given = Self.token(in: request), Self.areEqual(sha256(given), token) else {
            throw HTTPError(
                .unauthorized, "a token is needed: Authorization: Bearer TOKEN, or Basic with the token as the password",
                headers: [.cacheControl: "no-store", .wwwAuthenticate: #"Basic realm="admin", charset="UTF-8""#])
        }
    }

    /// Refuses requests that another site causes, also in frames. Browsers do not send these fields to HTTP on other addresses than loopback.
    private func checkSite(_ request: Request) throws(HTTPError) {
        guard let site = request[.secFetchSite], site != "same-origin", site != "none" else { return }
        let isLink = request[.secFetchMode] == "navigate" && request[.secFetchDest] == "document"
        guard isLink, ["/", "/debug/ui"].contains(request.path) else {
            throw HTTPError(.forbidden, "this request was caused by another site")
        }
    }

    private func checkHost(_ request: Request, _ rules: Rules) throws(HTTPError) {
        // A client without Host, which only HTTP/1.0 allows, is no browser.
        guard let authority = request.head.authority else { return }
        let host = Self.host(of: authority)
        guard host == "localhost" || IPAddress(host) != nil || rules.hosts.contains(host) else {
            throw HTTPError(
                .misdirectedRequest,
                "unknown host \(quoted(host)): use the IP address or localhost, or add the name to admin.allowed-hosts"
            )
        }
    }

    /// Returns the host of an authority in lower case, without port, brackets and the dot at the end.
    private static func host(of authority: String) -> String {
        if authority.hasPrefix("["), let end = authority.firstIndex(of: "]") {
            return authority[authority.index(after: authority.startIndex)..<end].lowercased()
        }
        let host = authority.prefix { $0 != ":" }.lowercased()
        return host.hasSuffix(".") ? String(host.dropLast()) : host
    }

    /// Returns the token of `Authorization`: that of Bearer, or the password of Basic (RFC 7617), which browsers send.
    private static func token(in request: Request) -> [UInt8]? {
        guard let words = request[.authorization]?.split(separator: " ", maxSplits: 1), words.count == 2 else { return nil }
        switch words[0].lowercased() {
        case "bearer": return [UInt8](words[1].utf8)
        case "basic":
            guard let pair = decodeBase64(String(words[1])), let colon = pair.firstIndex(of: UInt8(ascii: ":")) else {
                return nil
            }
            return [UInt8](pair[(colon + 1)...])
        default: return nil
        }
    }

    /// Returns nil for text that is not base64.
    private static func decodeBase64(_ text: String) -> [UInt8]? {
        let text = text.filter { $0 != " " }
        guard text.utf8.count.isMultiple(of: 4), text.utf8.count <= 4_096 else { return nil }
        var bytes = [UInt8](repeating: 0, count: text.utf8.count / 4 * 3 + 1)
        let length = EVP_DecodeBlock(&bytes, text, CInt(text.utf8.count))
        guard length >= 0 else { return nil }
        // EVP_DecodeBlock(3) counts the padding as zero bytes.
        return [UInt8](bytes[..<(Int(length) - text.suffix(2).filter { $0 == "=" }.count)])
    }

    /// Compares in a time that does not depend on the bytes.
    private static func areEqual(_ a: [UInt8], _ b: [UInt8]) -> Bool { a.count == b.count && CRYPTO_memcmp(a, b, a.count) == 0 }
}

extension HTTPField.Name {
    fileprivate static let secFetchSite = Self("Sec-Fetch-Site")!
    fileprivate static let secFetchDest = Self("Sec-Fetch-Dest")!
    fileprivate static let secFetchMode = Self("Sec-Fetch-Mode")!
}
