/// The four forms of a request target (RFC 9112 section 3.2).
public enum RequestTargetForm: UInt8, Sendable, Hashable {
    /// `/path?query`: the form of most requests.
    case origin
    /// `http://host/path?query`: clients send it to proxies, and every server must accept it.
    case absolute
    /// `host:port`: for `CONNECT` only.
    case authority
    /// `*`: for `OPTIONS` only. It means the server as a whole.
    case asterisk
}

/// The parts of a request target, as offsets in the head.
struct RequestTarget: Sendable {
    var form: RequestTargetForm
    /// Percent-encoded, without the query. Empty in authority form.
    var path: ByteRange
    /// The bytes after the first `?`; nil without a `?`.
    var query: ByteRange?
    /// The host and the port, in absolute and authority form; nil in the other forms.
    var authority: ByteRange?

    /// Splits the target at `range`, whose bytes the line scanner has checked. `query` is the offset of its first `?`, or 0
    /// without one.
    init(_ bytes: Span<UInt8>, range: Range<Int>, query: Int, method: KnownMethod) throws(HTTPParseError) {
        let pathEnd = query == 0 ? range.upperBound : query
        self.query = query == 0 ? nil : ByteRange(query + 1, range.upperBound)
        path = ByteRange(range.lowerBound, pathEnd)
        if method == .connect {
            guard Authority.isValid(bytes.extracting(range), portRequired: true) else { throw HTTPParseError(.invalidTarget) }
            form = .authority
            authority = path
            path = ByteRange(pathEnd, pathEnd)
        } else if bytes[range.lowerBound] == UInt8(ascii: "/") {
            form = .origin
        } else if bytes[range.lowerBound] == UInt8(ascii: "*") {
            guard range.count == 1, method == .options else { throw HTTPParseError(.invalidTarget) }
            form = .asterisk
        } else {
            form = .absolute
            let hostStart = try Self.endOfScheme(bytes, range: range)
            let slash = bytes.firstIndex(of: UInt8(ascii: "/"), from: hostStart) ?? pathEnd
            let hostEnd = min(slash, pathEnd)
            guard Authority.isValid(bytes.extracting(hostStart..<hostEnd)) else { throw HTTPParseError(.invalidTarget) }
            authority = ByteRange(hostStart, hostEnd)
            // An empty path means "/" (RFC 9110 section 4.2.3). The range points at the second slash of the scheme's "//".
            path = hostEnd < pathEnd ? ByteRange(hostEnd, pathEnd) : ByteRange(hostStart - 1, hostStart)
        }
    }

    /// Returns the index after `http://` or `https://`. Throws for any other scheme, which is not served over HTTP (RFC 9110
    /// section 4.2).
    private static func endOfScheme(_ bytes: Span<UInt8>, range: Range<Int>) throws(HTTPParseError) -> Int {
        let target = bytes.extracting(range)
        if target.count > 7, target.extracting(0..<7).equalsIgnoringCase("http://") { return range.lowerBound + 7 }
        if target.count > 8, target.extracting(0..<8).equalsIgnoringCase("https://") { return range.lowerBound + 8 }
        throw HTTPParseError(.invalidTarget)
    }
}
