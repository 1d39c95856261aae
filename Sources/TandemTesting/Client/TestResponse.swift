public import HTTPTypes

/// A response as the client received it.
public struct TestResponse: Sendable {
    /// The status.
    public internal(set) var status: HTTPResponse.Status
    /// The header fields in the order in which they arrived, including those for framing.
    public internal(set) var headers: HTTPFields = [:]
    /// The body without its framing.
    public internal(set) var body: [UInt8] = []
    /// The trailer fields of a chunked body.
    public internal(set) var trailers: HTTPFields = [:]
    /// The interim responses before this one, such as 100 Continue.
    public internal(set) var interim: [HTTPResponse.Status] = []
    /// The errors that the server has logged for this request's target, such as an error that a handler threw.
    public internal(set) var errors: [TestLogEntry] = []
    /// Whether the server closes the connection after this response.
    public internal(set) var closes = false

    init(status: HTTPResponse.Status) { self.status = status }

    /// The body as UTF-8 text; invalid bytes become U+FFFD.
    public var text: String { String(decoding: body, as: UTF8.self) }

    /// The value of one header field, or nil; several lines of it are joined by ", ".
    public subscript(name: HTTPField.Name) -> String? { headers[name] }
}

extension TestResponse: CustomStringConvertible {
    /// The status, the errors, and the beginning of the body.
    public var description: String {
        ([String(status.code)] + errors.map(\.description) + [String(text.prefix(200))]).joined(separator: "; ")
    }
}
