public import HTTPTypes
public import Tandem

/// One request, and the conditions under which it may be made.
public struct FetchRequest: Sendable {
    /// An absolute URL, `http` or `https`. A user name and password in it are sent as Basic authentication.
    public var url: String
    /// The method; any but CONNECT.
    public var method: HTTPRequest.Method
    /// The fields to send. Those that frame the message (`Content-Length`, `Transfer-Encoding`, `Connection`, …) are
    /// the client's own business: a request that has them is refused.
    public var headers: HTTPFields
    /// The body; nil for none.
    public var body: FetchBody?
    /// Whether to announce the body by `Expect: 100-continue`, and send it when the server asks for it, answers nothing for a
    /// second, or not at all when it refuses. Off by default: most servers want every body, and some never say so. Of use
    /// before long bodies, and streams that cannot be repeated, where an upstream may refuse or redirect.
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
    /// Whether a redirect may lead from https to http, where everybody on the way reads along. Off: such a redirect is
    /// `refused`.
    public var allowsInsecureRedirects = false
    /// The addresses that the request may go to, within those that the client's `allowList` permits; nil for the client's
    /// `addressPolicy`.
    public var addressPolicy: AddressPolicy?
    /// Asked about each redirect's URL, absolute, before it is followed; false refuses (`refused`). The client's `allowList` must
    /// permit the URL, too. Runs in the caller's task: it must not wait.
    public var checkRedirect: (@Sendable (String) -> Bool)?

    /// A request for `url`.
    public init(url: String, method: HTTPRequest.Method = .get, headers: HTTPFields = [:], body: FetchBody? = nil) {
        self.url = url
        self.method = method
        self.headers = headers
        self.body = body
    }
}
