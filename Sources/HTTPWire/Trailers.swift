import HTTPTypes

extension HTTPField.Name {
    /// Whether a field may come after the content (RFC 9110 section 6.5.1): not if it frames or routes the message, modifies
    /// the request, authenticates it, or says how to read its content. Those would be looked for in the header only, or
    /// worse, be merged into it.
    var isAllowedInTrailers: Bool {
        switch canonicalName {
        case "content-length", "transfer-encoding", "host", "connection", "keep-alive", "proxy-connection", "upgrade",
            "te", "trailer",
            "cache-control", "expect", "max-forwards", "pragma", "range",
            "if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range",
            "authorization", "proxy-authorization", "cookie", "set-cookie", "www-authenticate", "proxy-authenticate",
            "content-encoding", "content-type", "content-range":
            false
        default: true
        }
    }
}
