public import HTTPTypes
public import HTTPWire

/// A request, as its handler sees it. Cheap to copy; what is asked for is built when it is asked for.
public struct Request: Sendable {
    /// The head as it was parsed.
    public let head: RequestHead
    /// What the route's `{name}` segments matched, percent-decoded.
    public internal(set) var parameters: PathParameters
    /// The body, read as it arrives. Belongs to the connection: use it until the handler returns, in the handler's task or
    /// its child tasks.
    public let body: RequestBody

    init(head: RequestHead, parameters: PathParameters = PathParameters(), body: RequestBody) {
        self.head = head
        self.parameters = parameters
        self.body = body
    }

    /// The method.
    public var method: HTTPRequest.Method { head.method }

    /// The path, still percent-encoded, without the query.
    public var path: String { head.path }

    /// The query's items, decoded. Throws `HTTPError` 400 when the query does not decode.
    public var query: QueryItems {
        get throws(HTTPError) {
            guard let query = head.query else { return QueryItems("")! }
            guard let items = QueryItems(query) else {
                throw HTTPError(.badRequest, "the query is not valid percent-encoded UTF-8")
            }
            return items
        }
    }

    /// All header fields, in order. Built at each call: keep the result, or ask for one field by subscript.
    public var headers: HTTPFields { head.fields }

    /// The value of one header field, or nil; several lines of it are joined by ", " (RFC 9110, 5.3).
    public subscript(name: HTTPField.Name) -> String? { head[name] }

    /// The peer's address and port ("127.0.0.1:4711", "[::1]:4711"), or "unix".
    public var remoteAddress: String { body.connection.remoteAddress }

    /// What TLS has agreed on with the client, its verified certificate's subject among it; nil without TLS. Built at each call.
    /// On the connection's hub, until the handler returns.
    public var tls: TLSDetails? { body.connection.transport.details }

    /// Whether the server stops, and a way to wait for that: for handlers that wait for as long as it takes.
    public var draining: Draining { body.connection.server.draining }
}

/// What the `{name}` segments of a route matched.
public struct PathParameters: Sendable {
    private let names: [String]
    private let values: [String]

    init(names: [String] = [], values: [String] = []) {
        self.names = names
        self.values = values
    }

    /// The decoded value of a segment, or nil when the route has no such name.
    public subscript(name: String) -> String? { names.firstIndex(of: name).map { values[$0] } }
}
