import HTTPTypes

/// The treatment of a trailer field by a recipient (RFC 9110 section 6.5.1).
enum TrailerUse {
    /// The field is kept among the trailers.
    case kept
    /// The field is ignored. It controls or authenticates the message, or describes its content, and is valid only in the
    /// header. It would mislead an application that merges trailers into the header.
    case dropped
    /// The message is refused. The field frames the message, so an intermediary may have read the message differently. In a
    /// request, this also applies to fields that route it or control the connection.
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
