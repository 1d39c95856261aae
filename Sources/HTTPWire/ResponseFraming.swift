/// The way in which a server marks the end of a response's body (RFC 9112 section 6.3).
public enum ResponseFraming: Sendable, Hashable {
    /// The response has no body, and neither `Content-Length` nor `Transfer-Encoding`.
    case none
    /// The response has a `Content-Length`: the body has this many bytes, 0 or more.
    case length(Int)
    /// The response has `Transfer-Encoding: chunked`; see ``ResponseSerializer/writeChunk(_:into:)``.
    case chunked
    /// The body ends when the server closes the connection.
    case untilClose

    /// Returns the framing that a response with this status and version can have: none for a status that never has a body (RFC
    /// 9110 section 6.4.1), a length of 0 for 205 (section 15.3.6), and the end of the connection in place of chunks for
    /// HTTP/1.0.
    func allowed(for code: Int, version: HTTPVersion) -> ResponseFraming {
        switch code {
        case 100..<200, 204, 304: .none
        case 205: .length(0)
        default: self == .chunked && version == .http10 ? .untilClose : self
        }
    }
}
