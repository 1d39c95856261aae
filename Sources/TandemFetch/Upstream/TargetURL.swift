internal import CCurl
internal import HTTPWire

/// The parts of a URL to fetch: scheme, host, port and request target.
///
/// A fast path parses usual URLs in one pass over their bytes. libcurl parses all others, and they are fetched as libcurl
/// understood them. `TargetURLTests` compares the two.
struct TargetURL: Sendable {
    /// The text that was given.
    let text: String
    /// Whether the scheme is `https`.
    let isSecure: Bool
    /// The port to connect to: that of the URL, or the default port.
    let port: Int
    // The positions of the host and the request target in `text`. Not used if libcurl has parsed the URL.
    private let hostRange: Range<Int>
    private let targetRange: Range<Int>
    private let read: ReadByCurl?

    /// The parts that libcurl has parsed.
    private final class ReadByCurl: Sendable {
        let host, target: String
        let credentials: String?

        init(host: String, target: String, credentials: String?) {
            self.host = host
            self.target = target
            self.credentials = credentials
        }
    }

    /// Parses an absolute `http` or `https` URL. Throws `badURL` for any other text, and for one with control characters.
    init(_ text: String) throws(FetchError) {
        if FastPaths.isEnabled, let url = TargetURL(usual: text) { self = url } else { try self.init(strictly: text) }
    }

    // MARK: Parts

    /// The host in lower case, an IPv6 address in brackets.
    var host: String { read?.host ?? part(hostRange) }

    /// Returns whether the host equals these bytes.
    func hasHost(_ bytes: [UInt8]) -> Bool {
        if let read { return read.host.utf8.elementsEqual(bytes) }
        guard bytes.count == hostRange.count else { return false }
        return withBytes { unsafe in unsafe[hostRange].elementsEqual(bytes) }
    }

    /// The origin: scheme, host and port.
    var origin: Origin { Origin(scheme: isSecure ? .https : .http, host: URLHost(host) ?? .name(host), port: port) }

    /// The path and the query, as in the request line.
    var target: String { read?.target ?? (targetRange.isEmpty ? "/" : part(targetRange)) }

    /// Appends the path and the query, as in the request line.
    func appendTarget(to output: inout [UInt8]) {
        if let read { return output.append(contentsOf: read.target.utf8) }
        guard !targetRange.isEmpty else { return output.append(0x2f) }
        withBytes { output.append(contentsOf: $0[targetRange]) }
    }

    /// The user name and password in the form of Basic authentication (RFC 7617); nil if the URL has none.
    var basicCredentials: String? { read?.credentials }

    /// The URL without its secrets, as OpenTelemetry's conventions require for `url.full`. The user name, the password and the
    /// values of sensitive query keys are replaced. The fragment is left out, because it is not sent and may be a secret.
    var redacted: String {
        let target = target
        let query = target.firstIndex(of: "?")
        let path = target[..<(query ?? target.endIndex)]
        let secrets = read?.credentials == nil ? "" : "\(QueryRedaction.placeholder):\(QueryRedaction.placeholder)@"
        let redactedQuery = query.map { "?" + QueryRedaction.redacted(String(target[target.index(after: $0)...])) } ?? ""
        return "\(isSecure ? "https" : "http")://\(secrets)\(host):\(port)\(path)\(redactedQuery)"
    }

    private func part(_ range: Range<Int>) -> String { withBytes { String(decoding: $0[range], as: UTF8.self) } }

    private func withBytes<Result>(_ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
        var text = text
        return text.withUTF8(body)
    }

    // MARK: Fast path

    /// Parses `http://host:port/path?query` if all parsers read it alike: the host is a name in lower case or four decimal
    /// numbers, and there is no user name, no password, no `.` segment, no `#`, and no byte that has to be encoded. Returns nil
    /// otherwise.
    init?(usual text: String) {
        var copy = text
        let parts = copy.withUTF8 { TargetURL.scan($0) }
        guard let (isSecure, host, port, target) = parts else { return nil }
        self.text = copy
        self.isSecure = isSecure
        self.port = port
        hostRange = host
        targetRange = target
        read = nil
    }

    private static func scan(_ bytes: UnsafeBufferPointer<UInt8>) -> (Bool, Range<Int>, Int, Range<Int>)? {
        guard bytes.count <= 8000, bytes.count > 8 else { return nil }
        let isSecure: Bool
        var index: Int
        if bytes.starts(with: "http://".utf8) {
            (isSecure, index) = (false, 7)
        } else if bytes.starts(with: "https://".utf8) {
            (isSecure, index) = (true, 8)
        } else {
            return nil
        }
        let hostStart = index
        var label = index
        while index < bytes.count {
            let byte = bytes[index]
            if byte == 0x2e {
                guard index > label else { return nil }
                label = index + 1
            } else if !(byte >= 0x61 && byte <= 0x7a || byte >= 0x30 && byte <= 0x39 || byte == 0x2d) {
                break
            }
            index += 1
        }
        let host = hostStart..<index
        guard index > label, host.count <= 253 else { return nil }
        // A host that ends in a number is an address, possibly in an unusual spelling.
        if bytes[label] <= 0x39, !isDottedQuad(bytes, host) { return nil }
        var port = isSecure ? 443 : 80
        if index < bytes.count, bytes[index] == 0x3a {
            guard let (number, end) = scanPort(bytes, index + 1) else { return nil }
            (port, index) = (number, end)
        }
        let targetStart = index
        if index < bytes.count {
            guard bytes[index] == 0x2f else { return nil }
            var previous: UInt8 = 0
            while index < bytes.count {
                let byte = bytes[index]
                // `/.` may begin a `.` or `..` segment, which has to be removed.
                guard isPlain(byte), !(byte == 0x2e && previous == 0x2f) else { return nil }
                previous = byte
                index += 1
            }
            // libcurl removes an empty query.
            guard previous != 0x3f else { return nil }
        }
        return (isSecure, host, port, targetStart..<index)
    }

    private static func scanPort(_ bytes: UnsafeBufferPointer<UInt8>, _ start: Int) -> (Int, Int)? {
        var (index, port) = (start, 0)
        while index < bytes.count, bytes[index] >= 0x30, bytes[index] <= 0x39, index - start < 6 {
            port = port * 10 + Int(bytes[index] - 0x30)
            index += 1
        }
        guard index > start, bytes[start] != 0x30, port <= 65_535 else { return nil }
        return (port, index)
    }

    /// Returns whether the host is four numbers of at most 255 without leading zeros.
    private static func isDottedQuad(_ bytes: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) -> Bool {
        var (numbers, digits, number) = (0, 0, 0)
        for index in range {
            if bytes[index] == 0x2e {
                numbers += 1
                (digits, number) = (0, 0)
                continue
            }
            guard bytes[index] >= 0x30, bytes[index] <= 0x39, !(digits > 0 && number == 0) else { return false }
            digits += 1
            number = number * 10 + Int(bytes[index] - 0x30)
            guard number <= 255 else { return false }
        }
        return numbers == 3
    }

    /// Returns whether a byte of a path or query stands for itself in every parser: the characters of RFC 3986 without `#`,
    /// `[`, `]` and `'`.
    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x61...0x7a, 0x41...0x5a, 0x2f...0x39: true  // letters, digits, slash
        case 0x21, 0x24...0x26, 0x28...0x2e, 0x3a, 0x3b, 0x3d, 0x3f, 0x40, 0x5f, 0x7e: true  // !$%&()*+,-.:;=?@_~
        default: false
        }
    }

    // MARK: General path

    /// Parses the URL with libcurl. Throws `badURL`.
    init(strictly text: String) throws(FetchError) {
        // libcurl would stop at the NUL, and fetch another URL than the given one.
        guard !text.utf8.contains(0) else { throw TargetURL.malformed("it contains a NUL") }
        let url = try CurlURL()
        try url.set(text)
        let scheme = url.part(CURLUPART_SCHEME).lowercased()
        guard scheme == "http" || scheme == "https" else {
            throw FetchError(.badURL, "the URL's scheme is \"\(scheme)\": only http and https are fetched")
        }
        self.text = text
        isSecure = scheme == "https"
        port = Int(url.part(CURLUPART_PORT, UInt32(CURLU_DEFAULT_PORT))) ?? 0
        (hostRange, targetRange) = (0..<0, 0..<0)
        let query = url.part(CURLUPART_QUERY, 0)
        let path = url.part(CURLUPART_PATH, UInt32(CURLU_URLENCODE))
        read = ReadByCurl(
            host: try url.asciiHost(), target: path + (query.isEmpty ? "" : "?" + query), credentials: url.basicCredentials)
        guard target.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7f }), target.hasPrefix("/") else {
            throw TargetURL.malformed("it contains a blank or a control character")
        }
    }

    /// Returns the absolute URL for a reference in a response from this URL (RFC 3986 section 5). Throws `badURL`.
    func resolving(_ reference: String) throws(FetchError) -> String {
        let url = try CurlURL()
        try url.set(text)
        try url.set(reference)
        return url.part(CURLUPART_URL)
    }

    fileprivate static func malformed(_ why: String) -> FetchError {
        FetchError(.badURL, "not an absolute http or https URL: \(why)", curlCode: Int32(CURLE_URL_MALFORMAT.rawValue))
    }
}

/// A URL that libcurl parses.
struct CurlURL: ~Copyable {
    let handle: OpaquePointer

    init() throws(FetchError) {
        guard let handle = curl_url() else { throw FetchError(.unavailable, "no memory for a URL") }
        self.handle = handle
    }

    deinit { curl_url_cleanup(handle) }

    /// Parses a URL, relative to the previous one if there is one. Throws `badURL`.
    func set(_ text: String) throws(FetchError) {
        let failed = curl_url_set(handle, CURLUPART_URL, text, UInt32(CURLU_NON_SUPPORT_SCHEME))
        guard failed == CURLUE_OK else { throw TargetURL.malformed(String(cString: curl_url_strerror(failed))) }
    }

    func part(_ what: CURLUPart, _ flags: UInt32 = 0) -> String {
        var text: UnsafeMutablePointer<CChar>?
        guard curl_url_get(handle, what, &text, flags) == CURLUE_OK, let text else { return "" }
        defer { curl_free(text) }
        return String(cString: text)
    }

    /// Returns the host in lower case. Throws `badURL` if it is not ASCII.
    func asciiHost() throws(FetchError) -> String {
        let host = part(CURLUPART_HOST).lowercased()
        guard host.utf8.allSatisfy({ $0 < 0x80 }) else {
            throw TargetURL.malformed("its host is not in ASCII; write it in punycode, as `xn--…` (RFC 5891)")
        }
        return host
    }

    /// `name:password` in base64; nil if the URL has neither.
    var basicCredentials: String? {
        let flags = UInt32(CURLU_URLDECODE)
        let (user, password) = (part(CURLUPART_USER, flags), part(CURLUPART_PASSWORD, flags))
        return user.isEmpty && password.isEmpty ? nil : base64("\(user):\(password)")
    }
}

/// Returns the text in base64 (RFC 4648 section 4).
private func base64(_ text: String) -> String {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    let bytes = Array(text.utf8)
    var encoded: [UInt8] = []
    for start in stride(from: 0, to: bytes.count, by: 3) {
        let group = bytes[start..<min(start + 3, bytes.count)]
        let bits = group.reduce(UInt32(0)) { $0 << 8 | UInt32($1) } << (8 * UInt32(3 - group.count))
        for place in 0..<4 {
            encoded.append(place <= group.count ? alphabet[Int(bits >> (18 - 6 * UInt32(place)) & 63)] : UInt8(ascii: "="))
        }
    }
    return String(decoding: encoded, as: UTF8.self)
}
