public import HTTPTypes

/// An answer with its whole body.
public struct FetchResponse: Sendable {
    private let head: FetchHead

    /// The status.
    public var status: HTTPResponse.Status { head.status }
    /// The fields, made each time they are asked for. Without `Content-Encoding` and `Content-Length` when the client has decoded
    /// the body.
    public var headers: HTTPFields { head.fields }
    /// The body, decoded.
    public var body: [UInt8]
    /// Where the answer came from: the request's URL, or that of the last redirect.
    public var url: String

    init(_ head: FetchHead, _ body: [UInt8], url: String) {
        self.head = head
        self.body = body
        self.url = url
    }

    /// The value of a field, without making all of them; nil when it is not there. Several lines of it are joined with commas.
    public subscript(name: HTTPField.Name) -> String? { head[name] }

    /// The body as UTF-8, each malformed sequence replaced by U+FFFD.
    public var text: String { String(decoding: body, as: UTF8.self) }
}
