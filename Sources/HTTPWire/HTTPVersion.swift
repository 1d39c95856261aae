/// A version of HTTP/1 (RFC 9112 section 2.3). The parser refuses every other version, with 505 for a request.
public enum HTTPVersion: UInt8, Sendable, Hashable, CustomStringConvertible {
    /// HTTP/1.0. It has no chunked bodies, and the connection closes after each response unless both sides ask for keep-alive.
    case http10
    /// HTTP/1.1. The connection stays open unless one side asks to close it.
    case http11

    /// The version as it is written on the wire, such as `HTTP/1.1`.
    public var description: String {
        switch self {
        case .http10: "HTTP/1.0"
        case .http11: "HTTP/1.1"
        }
    }
}
