import HTTPTypes

/// What becomes of a field that comes after the content (RFC 9110 section 6.5.1).
enum TrailerUse {
    /// The field is kept.
    case kept
    /// The field is ignored: it modifies, controls or authenticates the message, or says how to read its content, and is valid in
    /// the header only. A recipient that merged it into the header would be misled.
    case dropped
    /// The message is refused: the field frames the message, so that somebody on the way may have read it differently. A request
    /// is also refused for a field that routes it or is about the connection.
    case refused

    init(of name: HTTPField.Name, in message: HTTPParseError.Message) {
        self =
            switch name.canonicalName {
            case "content-length", "transfer-encoding": .refused
            case "host", "connection", "keep-alive", "proxy-connection", "upgrade", "te", "trailer":
                message == .request ? .refused : .dropped
            case "cache-control", "expect", "max-forwards", "pragma", "range",
                "if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range",
                "authorization", "proxy-authorization", "cookie", "set-cookie", "www-authenticate", "proxy-authenticate",
                "content-encoding", "content-type", "content-range":
                .dropped
            case "age", "date", "expires", "location", "retry-after", "vary", "warning":
                message == .response ? .dropped : .kept
            default: .kept
            }
    }
}
