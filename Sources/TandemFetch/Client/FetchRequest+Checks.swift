internal import HTTPTypes

extension FetchRequest {
    /// Fields that frame the message or belong to one connection: the client sets them itself.
    private static let framing: Set<HTTPField.Name> = [
        .contentLength, .transferEncoding, .connection, .upgrade, .te, .trailer, .expect,
        HTTPField.Name("Keep-Alive")!, HTTPField.Name("Proxy-Connection")!,
    ]

    /// Whether the request has a body, also an empty one: these methods expect one (RFC 9110 section 8.6).
    var sendsBody: Bool { body != nil || method == .post || method == .put || method == .patch }

    /// Throws `bodyNotRepeatable` when the body cannot be sent once more.
    func checkRepeatable(_ origin: String) throws(FetchError) {
        guard let body, !body.isRepeatable else { return }
        throw FetchError(
            .bodyNotRepeatable,
            "\(origin): redirects a request whose body was a stream; give it `isRepeatable`, or bytes, or send to where it leads")
    }

    /// Throws `badRequest` for what must not be sent.
    func check() throws(FetchError) {
        if method == .connect { throw FetchError(.badRequest, "CONNECT makes a tunnel, which is not a fetch") }
        if method == .head, body != nil { throw FetchError(.badRequest, "a HEAD request has no body") }
        if let field = headers.first(where: { FetchRequest.framing.contains($0.name) }) {
            throw FetchError(.badRequest, "leave the field \(field.name) out: the client frames the message itself")
        }
    }

    /// Changes into the request that a redirect with this status asks for.
    mutating func redirect(status: Int, toOtherOrigin: Bool) {
        let becomesGet = status == 303 ? method != .head : (status == 301 || status == 302) && method == .post
        if becomesGet {
            method = .get
            body = nil
            for name in [HTTPField.Name.contentType, .contentEncoding, .contentLanguage] { headers[name] = nil }
        }
        if toOtherOrigin {
            // Meant for the first origin alone.
            for name in [HTTPField.Name.authorization, .proxyAuthorization, .cookie, FetchRequest.host] { headers[name] = nil }
        }
    }

    private static let host = HTTPField.Name("Host")!
}

extension HTTPRequest.Method {
    /// Whether sending it twice has the effect of sending it once, RFC 9110 9.2.2.
    var isIdempotent: Bool {
        switch self {
        case .get, .head, .put, .delete, .options, .trace: true
        default: false
        }
    }
}
