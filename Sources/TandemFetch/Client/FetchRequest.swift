public import HTTPTypes
public import Tandem

/// One request, and the conditions under which it may be made.
public struct FetchRequest: Sendable {
    /// An absolute URL, `http` or `https`. A user name and password in it are sent as Basic authentication.
    public var url: String
    /// The method; any but CONNECT.
    public var method: HTTPRequest.Method
    /// The fields to send. The client sets those that frame the message or belong to the connection (`Content-Length`,
    /// `Transfer-Encoding`, `Connection`, …) itself, and refuses a request that has them (`badRequest`).
    public var headers: HTTPFields
    /// The body; nil for none.
    public var body: FetchBody?
    /// Whether to announce the body by `Expect: 100-continue`. The client sends the body when the server asks for it, or has not
    /// answered for a second; it sends none if the server refuses. Off by default: most servers want every body, and some never
    /// say so. Useful for long bodies, and for streams that cannot be repeated, when an upstream may refuse or redirect.
    public var expectsContinue = false
    /// When the whole exchange must be over; nil for the client's `timeout`, counted from the call.
    public var deadline: Deadline?
    /// Most bytes of the response's body, decoded, kept whole or streamed; nil for the client's `maxResponseBytes`.
    public var maxResponseBytes: Int?
    /// Most redirects to follow. With 0 a redirect is an answer as any other; with more, one redirect too many is an
    /// error (`tooManyRedirects`).
    ///
    /// 303, and 301 and 302 after POST, go on as GET without the body. `Authorization`, `Cookie` and `Host` do not
    /// follow to another origin. Those that send the body again need one that is repeatable; else `bodyNotRepeatable`.
    public var followRedirects = 0
    /// Whether a redirect may lead from https to http, where others can read along. Off: such a redirect is
    /// `refused`.
    public var allowsInsecureRedirects = false
    /// The addresses that the request may go to, within those that the client's `allowList` permits; nil for the client's
    /// `addressPolicy`.
    public var addressPolicy: AddressPolicy?
    /// Called with the absolute URL of each redirect before the client follows it; false refuses it (`refused`). The client's
    /// `allowList` must permit the URL, too. Runs in the caller's task: it must not wait.
    public var checkRedirect: (@Sendable (String) -> Bool)?

    /// A request for `url`.
    public init(url: String, method: HTTPRequest.Method = .get, headers: HTTPFields = [:], body: FetchBody? = nil) {
        self.url = url
        self.method = method
        self.headers = headers
        self.body = body
    }
}

extension FetchRequest {
    /// Fields that frame the message or belong to one connection: the client sets them itself.
    private static let framing: Set<HTTPField.Name> = [
        .contentLength, .transferEncoding, .connection, .upgrade, .te, .trailer, .expect,
        HTTPField.Name("Keep-Alive")!, HTTPField.Name("Proxy-Connection")!,
    ]

    /// Whether the body is announced by `Expect`. One that is empty is not (RFC 9110 10.1.1).
    var announcesBody: Bool { expectsContinue && body != nil && body?.contentLength != 0 }

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
