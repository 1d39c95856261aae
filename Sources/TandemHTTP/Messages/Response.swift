public import HTTPTypes

/// What a handler answers: a status, header fields, and a body that is at hand or is written bit by bit.
///
/// `Content-Length`, `Transfer-Encoding`, `Connection`, `Keep-Alive` and `Date` are the server's: those among `headers` are
/// left out. What answers HEAD, or has a status that allows no body (204, 205, 304), is sent without its body.
public struct Response: Sendable {
    enum Body: Sendable {
        case bytes([UInt8])
        case stream(length: Int?, ResponseStream)
    }

    /// The status.
    public var status: HTTPResponse.Status
    /// The header fields.
    public var headers: HTTPFields
    var body: Body

    /// An answer with these bytes as its body.
    public init(status: HTTPResponse.Status = .ok, headers: HTTPFields = [:], body: [UInt8] = []) {
        self.status = status
        self.headers = headers
        self.body = .bytes(body)
    }

    /// An answer in `text/plain; charset=utf-8`.
    public init(status: HTTPResponse.Status = .ok, text: String) {
        self.init(status: status, headers: Response.textHeaders, body: Array(text.utf8))
    }

    /// An answer in `application/json`; the text must be JSON.
    public init(status: HTTPResponse.Status = .ok, json: String) {
        self.init(status: status, json: Array(json.utf8))
    }

    /// An answer in `application/json`; the bytes must be JSON in UTF-8.
    public init(status: HTTPResponse.Status = .ok, json: [UInt8]) {
        self.init(status: status, headers: Response.jsonHeaders, body: json)
    }

    /// An answer whose body an async closure writes after the head has been sent. Chunked, unless its length is given. When
    /// `body` throws, or writes less than it announced, the server cuts the connection, so that the client can tell.
    public init(
        status: HTTPResponse.Status = .ok, headers: HTTPFields = [:], contentLength: Int? = nil,
        streaming body: @escaping @Sendable (ResponseWriter) async throws -> Void
    ) {
        self.status = status
        self.headers = headers
        self.body = .stream(length: contentLength, .async(body))
    }

    /// An answer whose body a blocking closure writes, on a green thread; as the async form. The closure's own style selects the
    /// form: one that awaits is async.
    public init(
        status: HTTPResponse.Status = .ok, headers: HTTPFields = [:], contentLength: Int? = nil,
        streaming body: @escaping @Sendable (ResponseWriter) throws -> Void
    ) {
        self.status = status
        self.headers = headers
        self.body = .stream(length: contentLength, .blocking(body))
    }

    // Made once: answers share their storage until somebody adds a field.
    private static let textHeaders: HTTPFields = [.contentType: "text/plain; charset=utf-8"]
    private static let jsonHeaders: HTTPFields = [.contentType: "application/json"]
}

/// Code that writes a body, in either style.
enum ResponseStream: Sendable {
    case async(@Sendable (ResponseWriter) async throws -> Void)
    case blocking(@Sendable (ResponseWriter) throws -> Void)
}
