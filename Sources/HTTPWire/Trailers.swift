import HTTPTypes

/// What becomes of a field that comes after the content (RFC 9110 section 6.5.1).
enum TrailerUse {
    /// The field is kept.
    case kept
    /// The field is ignored: it modifies or authenticates the request, or says how to read its content, and is valid in the
    /// header only. A recipient that merged it into the header would be misled.
    case dropped
    /// The request is refused: the field frames or routes the message, or is about the connection, so that somebody on the way
    /// may have read the message differently.
    case refused

    init(of name: HTTPField.Name) {
        self =
            switch name.canonicalName {
            case "content-length", "transfer-encoding", "host", "connection", "keep-alive", "proxy-connection", "upgrade", "te",
                "trailer":
                .refused
            case "cache-control", "expect", "max-forwards", "pragma", "range",
                "if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range",
                "authorization", "proxy-authorization", "cookie", "set-cookie", "www-authenticate", "proxy-authenticate",
                "content-encoding", "content-type", "content-range":
                .dropped
            default: .kept
            }
    }
}
