/// The four forms of a request target (RFC 9112 section 3.2).
public enum RequestTargetForm: UInt8, Sendable, Hashable {
    /// `/path?query`: the usual one.
    case origin
    /// `http://host/path?query`: sent to proxies, and to be accepted by every server.
    case absolute
    /// `host:port`: of `CONNECT` only.
    case authority
    /// `*`: of `OPTIONS` only, meaning the server as a whole.
    case asterisk
}

/// The parts of a request target, as offsets in the head.
struct RequestTarget: Sendable {
    var form: RequestTargetForm
    /// Percent-encoded, without the query. Empty in authority form.
    var path: ByteRange
    /// What follows the first `?`.
    var query: ByteRange?
    /// Of absolute and authority form.
    var authority: ByteRange?

    /// Takes apart the target at `range`, whose bytes have been scanned. `query` is the offset of its first `?`, or 0.
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
            // An empty path means "/" (RFC 9110 section 4.2.3), and the scheme's "//" has one to point at.
            path = hostEnd < pathEnd ? ByteRange(hostEnd, pathEnd) : ByteRange(hostStart - 1, hostStart)
        }
    }

    /// The index after `http://` or `https://`; no other scheme is served by HTTP/1.1 (RFC 9110 section 4.2).
    private static func endOfScheme(_ bytes: Span<UInt8>, range: Range<Int>) throws(HTTPParseError) -> Int {
        let target = bytes.extracting(range)
        if target.count > 7, target.extracting(0..<7).equalsIgnoringCase("http://") { return range.lowerBound + 7 }
        if target.count > 8, target.extracting(0..<8).equalsIgnoringCase("https://") { return range.lowerBound + 8 }
        throw HTTPParseError(.invalidTarget)
    }
}
