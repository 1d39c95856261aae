/// How the end of a response's body is marked (RFC 9112 section 6.3).
public enum ResponseFraming: Sendable, Hashable {
    /// No body, and no field that speaks of one.
    case none
    /// `Content-Length`, in bytes; not negative.
    case length(Int)
    /// `Transfer-Encoding: chunked`: see ``ResponseSerializer/writeChunkHeader(size:into:)``.
    case chunked
    /// The end of the connection.
    case untilClose

    /// The framing that the response can have: none for a status that never has a body (RFC 9110 section 6.4.1), length 0 for
    /// 205 (section 15.3.6), and the end of the connection in place of chunks for HTTP/1.0, which knows none.
    func allowed(for code: Int, version: HTTPVersion) -> ResponseFraming {
        switch code {
        case 100..<200, 204, 304: .none
        case 205: .length(0)
        default: self == .chunked && version == .http10 ? .untilClose : self
        }
    }
}
