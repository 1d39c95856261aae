public import HTTPTypes

/// A response with its whole body.
public struct FetchResponse: Sendable {
    private let head: FetchHead

    /// The status.
    public var status: HTTPResponse.Status { head.status }
    /// The fields. Each access creates them. They have no `Content-Encoding` and no `Content-Length` if the client has decoded
    /// the body.
    public var headers: HTTPFields { head.fields }
    /// The body, decoded if `decompresses` is on.
    public var body: [UInt8]
    /// The URL of the response: that of the request, or the target of the last redirect.
    public var url: String

    init(_ head: FetchHead, _ body: [UInt8], url: String) {
        self.head = head
        self.body = body
        self.url = url
    }

    /// The value of a field; nil without that field. The values of several lines are joined with commas. This does not create
    /// `headers`.
    public subscript(name: HTTPField.Name) -> String? { head[name] }

    /// The body as text in UTF-8. Each malformed sequence is replaced by U+FFFD.
    public var text: String { String(decoding: body, as: UTF8.self) }
}
