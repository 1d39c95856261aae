/// The way to find the end of a request's body (RFC 9112 section 6.3).
public enum BodyFraming: Sendable, Hashable {
    /// The request has neither `Content-Length` nor `Transfer-Encoding`, and so has no body.
    case none
    /// The request has a `Content-Length`: the body has this many bytes, 0 or more.
    case length(Int)
    /// The request has `Transfer-Encoding: chunked`.
    case chunked

    /// Whether no byte of a body follows the head. False for a chunked body, which has at least its last chunk.
    public var isEmpty: Bool {
        switch self {
        case .none, .length(0): true
        case .length, .chunked: false
        }
    }
}
