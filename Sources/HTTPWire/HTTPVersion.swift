/// The two versions of HTTP/1 that exist (RFC 9112 section 2.3); every other version is refused with 505.
public enum HTTPVersion: UInt8, Sendable, Hashable, CustomStringConvertible {
    /// HTTP/1.0: no chunked bodies, and a connection closes unless both sides ask for keep-alive.
    case http10
    /// HTTP/1.1.
    case http11

    /// The version as on the wire, such as `HTTP/1.1`.
    public var description: String {
        switch self {
        case .http10: "HTTP/1.0"
        case .http11: "HTTP/1.1"
        }
    }
}
