public import HTTPTypes

/// An answer with its whole body.
public struct FetchResponse: Sendable {
    /// The status.
    public var status: HTTPResponse.Status
    /// The fields. Without `Content-Encoding` and `Content-Length` when the client has decoded the body.
    public var headers: HTTPFields
    /// The body, decoded.
    public var body: [UInt8]
    /// Where the answer came from: the request's URL, or that of the last redirect.
    public var url: String

    /// The body as UTF-8, each malformed sequence replaced by U+FFFD.
    public var text: String { String(decoding: body, as: UTF8.self) }
}
