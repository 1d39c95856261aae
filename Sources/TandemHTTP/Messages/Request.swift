public import HTTPTypes
public import HTTPWire
internal import Tandem
public import TandemTLS

/// A request for a handler. It is cheap to copy. Each access to a string or to `headers` creates the value again.
///
/// A test can create a request and call the handler without a server:
///
///     let response = try await showOrder(Request(path: "/orders/7", parameters: ["id": "7"]))
///     #expect(response.status == .ok)
public struct Request: Sendable {
    /// The parsed head.
    public let head: RequestHead
    /// The values of the route's `{name}` segments, percent-decoded.
    public let parameters: PathParameters
    /// The body, read as it arrives. It belongs to the connection: use it only in the handler's task or its child tasks, and only
    /// until the handler and its streamed answer have returned.
    public let body: RequestBody
    private let peer: Peer

    init(head: RequestHead, parameters: PathParameters, body: RequestBody, peer: Peer) {
        self.head = head
        self.parameters = parameters
        self.body = body
        self.peer = peer
    }

    /// Returns the same request with other parameters.
    func with(_ parameters: PathParameters) -> Request {
        Request(head: head, parameters: parameters, body: body, peer: peer)
    }

    /// Returns the same request with another body.
    func with(_ body: RequestBody) -> Request { Request(head: head, parameters: parameters, body: body, peer: peer) }

    /// Returns the sample of this request, once, if the server has sampled it.
    func takeSample() -> (any AnswerSample)? { peer.takeSample() }

    /// Creates a request without a connection, for calling a handler in a test.
    ///
    /// The server's own parser reads these values, so the handler sees the request as if a client had sent it. `Host` is
    /// `localhost` unless `headers` has it, and a body without framing fields gets a `Content-Length`.
    ///
    /// Traps if no client could send such a request, for example if the path does not begin with `/` or a field is malformed.
    ///
    /// - Parameters:
    ///   - method: The method.
    ///   - path: The path, percent-encoded, and the query if there is one.
    ///   - headers: The header fields.
    ///   - body: The body.
    ///   - parameters: The values of the route's `{name}` segments; no route is looked up.
    ///   - remoteAddress: A numeric address and port, "127.0.0.1:4711" or "[::1]:4711".
    public init(
        method: HTTPRequest.Method = .get, path: String, headers: HTTPFields = [:], body: [UInt8] = [],
        parameters: PathParameters = [:], remoteAddress: String = "127.0.0.1:1"
    ) {
        guard let endpoint = SocketEndpoint(remoteAddress) else {
            fatalError("\"\(remoteAddress)\" is not a numeric address with a port, such as 127.0.0.1:4711 or [::1]:4711")
        }
        self.init(
            head: RequestHead(composing: method, path, headers, bodyLength: body.count), parameters: parameters,
            body: RequestBody(body), peer: Peer(.ip(endpoint), draining: Draining(Event())))
    }

    /// The method.
    public var method: HTTPRequest.Method { head.method }

    /// The path, still percent-encoded, without the query.
    public var path: String { head.path }

    /// The query's items, decoded; empty without a query. Throws `HTTPError` 400 when the query cannot be decoded.
    public var query: QueryItems {
        get throws(HTTPError) {
            guard let query = head.query else { return QueryItems("")! }
            guard let items = QueryItems(query) else {
                throw HTTPError(.badRequest, "the query is not valid percent-encoded UTF-8")
            }
            return items
        }
    }

    /// All header fields, in the order received. Each access creates them: keep the result, or read one field by subscript.
    public var headers: HTTPFields { head.fields }

    /// The value of one header field, or nil. The values of several lines are joined by ", ", those of `Cookie` by "; " (RFC 9110
    /// section 5.3).
    public subscript(name: HTTPField.Name) -> String? { head[name] }

    /// The peer's address and port, such as "127.0.0.1:4711" or "[::1]:4711"; "unix" for a unix socket.
    public var remoteAddress: String { peer.description }

    /// The result of the TLS handshake, including the subject of the client's verified certificate; nil without TLS. Each access
    /// creates it. Read it only on the connection's hub, and only until the handler returns.
    public var tls: TLSDetails? { peer.tlsDetails }

    /// Whether the server drains, and a way to wait for that, for handlers that do not end by themselves.
    public var draining: Draining { peer.draining }
}

/// The values of a route's `{name}` segments.
public struct PathParameters: Sendable, ExpressibleByDictionaryLiteral {
    private let entries: [(name: String, value: String)]

    /// Creates an empty collection.
    public init() { entries = [] }

    init(names: [String], values: [String]) { entries = Array(zip(names, values)) }

    /// Creates a collection of these names and decoded values.
    public init(dictionaryLiteral elements: (String, String)...) { entries = elements }

    var isEmpty: Bool { entries.isEmpty }

    /// The decoded value of a segment, or nil when the route has no such name.
    public subscript(name: String) -> String? { entries.first { $0.name == name }?.value }
}

extension RequestHead {
    /// Creates the head that a client would send. Traps when no client could send it.
    fileprivate init(composing method: HTTPRequest.Method, _ target: String, _ headers: HTTPFields, bodyLength: Int) {
        var text = "\(method.rawValue) \(target) HTTP/1.1\r\n"
        if headers[.init("Host")!] == nil { text += "Host: localhost\r\n" }
        for field in headers { text += "\(field.name.rawName): \(field.value)\r\n" }
        if bodyLength > 0, headers[.contentLength] == nil, headers[.transferEncoding] == nil {
            text += "Content-Length: \(bodyLength)\r\n"
        }
        text += "\r\n"
        do throws(HTTPParseError) {
            self = try RequestHead(parsing: Array(text.utf8))
        } catch {
            fatalError("no client can send this request: \(error.reason)")
        }
    }

    private init(parsing bytes: [UInt8]) throws(HTTPParseError) {
        var parser = RequestHeadParser(limits: .unlimited)
        guard let head = try parser.parse(bytes.span.bytes), head.byteCount == bytes.count else {
            fatalError("no client can send this request: a line feed in its target or a field ends the head early")
        }
        self = head
    }
}

extension HTTPWireLimits {
    /// Limits that allow a head of any size, for heads that no peer has sent.
    fileprivate static var unlimited: HTTPWireLimits {
        var limits = HTTPWireLimits()
        limits.requestLine = .max
        limits.fieldLine = .max
        limits.headBytes = .max
        limits.fieldCount = .max
        return limits
    }
}
