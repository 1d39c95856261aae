/// How the end of a request's body is known (RFC 9112 section 6.3).
public enum BodyFraming: Sendable, Hashable {
    /// Neither `Content-Length` nor `Transfer-Encoding`: a request has no body.
    case none
    /// `Content-Length`, in bytes; may be 0, but not negative.
    case length(Int)
    /// `Transfer-Encoding: chunked`.
    case chunked

    /// Whether no byte of body follows the head.
    public var isEmpty: Bool {
        switch self {
        case .none, .length(0): true
        case .length, .chunked: false
        }
    }
}
