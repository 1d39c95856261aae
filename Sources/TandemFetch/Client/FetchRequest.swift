public import HTTPTypes
public import Tandem

/// A request, with its limits and its rules for redirects.
public struct FetchRequest: Sendable {
    /// An absolute URL, `http` or `https`. A user name and password in it are sent as Basic authentication.
    public var url: String
    /// The method: any method except CONNECT.
    public var method: HTTPRequest.Method
    /// The fields to send. The client itself sets the fields that frame the message or belong to the connection
    /// (`Content-Length`, `Transfer-Encoding`, `Connection`, …), and refuses a request that has one of them (`badRequest`).
    public var headers: HTTPFields
    /// The body; nil for a request without one.
    public var body: FetchBody?
    /// Whether the client announces the body with `Expect: 100-continue` (RFC 9110 section 10.1.1). It then sends the body when
    /// the server asks for it, or has not answered for one second. It sends no body if the server refuses the request. Off by
    /// default, because most servers accept every body and some ignore the field. Useful for long bodies, and for streams that
    /// cannot be repeated, when an upstream may refuse or redirect.
    public var expectsContinue = false
    /// The deadline for the whole exchange; nil for the client's `timeout`, counted from the call.
    public var deadline: Deadline?
    /// The maximum size of the response's body in bytes, after decoding, whole or streamed; nil for the client's
    /// `maxResponseBytes`.
    public var maxResponseBytes: Int?
    /// The maximum number of redirects to follow; nil for the client's `maxRedirects`. With 0, the client returns a redirect like
    /// any other response. Otherwise one redirect too many is an error (`tooManyRedirects`).
    ///
    /// After a 303, and after a 301 or 302 to a POST, the client continues with GET and without the body; a HEAD stays a HEAD.
    /// It removes `Authorization`, `Proxy-Authorization`, `Cookie` and `Host` when a redirect leads to another origin. A
    /// redirect that needs the body again fails with `bodyNotRepeatable` if the body is not repeatable and has been started.
    public var followRedirects: Int?
    /// Whether a redirect may lead from https to http, which is not encrypted. Off by default: such a redirect is `refused`.
    public var allowsInsecureRedirects = false
    /// The addresses to which the request may go, among those that the client's `allowList` permits; nil for the client's
    /// `addressPolicy`.
    public var addressPolicy: AddressPolicy?
    /// A check of each redirect. The client calls it with the absolute URL before it follows the redirect; false refuses it
    /// (`refused`). The client's `allowList` must permit the URL too. The closure runs in the caller's task on the hub, and
    /// must not wait.
    public var checkRedirect: (@Sendable (String) -> Bool)?

    /// Creates a request for `url`.
    public init(url: String, method: HTTPRequest.Method = .get, headers: HTTPFields = [:], body: FetchBody? = nil) {
        self.url = url
        self.method = method
        self.headers = headers
        self.body = body
    }
}

extension FetchRequest {
    /// The fields that frame the message or belong to one connection, which the client sets itself.
    private static let framing: Set<HTTPField.Name> = [
        .contentLength, .transferEncoding, .connection, .upgrade, .te, .trailer, .expect,
        HTTPField.Name("Keep-Alive")!, HTTPField.Name("Proxy-Connection")!,
    ]

    /// Whether the client announces the body with `Expect`. It does not announce an empty body (RFC 9110 section 10.1.1).
    var announcesBody: Bool { expectsContinue && body != nil && body?.contentLength != 0 }

    /// Whether the request has a body, which may be empty. POST, PUT and PATCH always have one (RFC 9110 section 8.6).
    var sendsBody: Bool { body != nil || method == .post || method == .put || method == .patch }

    /// Throws `bodyNotRepeatable` if the body cannot be sent again.
    func checkRepeatable(_ origin: String) throws(FetchError) {
        guard let body, !body.isRepeatable else { return }
        throw FetchError(
            .bodyNotRepeatable,
            "\(origin): the redirect needs the body again, but it was a stream; use `isRepeatable`, bytes, or the final URL")
    }

    /// Throws `badRequest` if the request must not be sent.
    func check() throws(FetchError) {
        if method == .connect { throw FetchError(.badRequest, "CONNECT opens a tunnel, which this client does not support") }
        if method == .head, body != nil { throw FetchError(.badRequest, "a HEAD request has no body") }
        if let field = headers.first(where: { FetchRequest.framing.contains($0.name) }) {
            throw FetchError(.badRequest, "remove the field \(field.name): the client sets it itself")
        }
    }

    /// Prepares the request for a shadow: throws `shadowed` unless its method is safe, and marks it, so that upstreams can tell.
    mutating func becomeShadow() throws(FetchError) {
        guard method.isSafe else {
            throw FetchError(
                .shadowed, "\(method.rawValue) is not a safe method, and this code runs in a shadow: see `Shadow.isActive`")
        }
        headers[FetchRequest.shadow] = "1"
    }

    private static let shadow = HTTPField.Name("Tandem-Shadow")!

    /// Changes the request into the one that follows a redirect with this status.
    mutating func redirect(status: Int, toOtherOrigin: Bool) {
        let becomesGet = status == 303 ? method != .head : (status == 301 || status == 302) && method == .post
        if becomesGet {
            method = .get
            body = nil
            for name in [HTTPField.Name.contentType, .contentEncoding, .contentLanguage] { headers[name] = nil }
        }
        if toOtherOrigin {
            // These fields are meant only for the first origin.
            for name in [HTTPField.Name.authorization, .proxyAuthorization, .cookie, FetchRequest.host] { headers[name] = nil }
        }
    }

    private static let host = HTTPField.Name("Host")!
}

extension HTTPRequest.Method {
    /// Whether the method is safe: it asks for no change (RFC 9110 section 9.2.1).
    var isSafe: Bool { [.get, .head, .options, .trace].contains(self) }

    /// Whether the method is idempotent: two requests have the same effect as one (RFC 9110 section 9.2.2).
    var isIdempotent: Bool {
        switch self {
        case .get, .head, .put, .delete, .options, .trace: true
        default: false
        }
    }
}
