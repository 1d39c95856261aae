public import HTTPTypes

/// A response as it came over the wire. Redirects are not followed.
public struct TestResponse: Sendable {
    /// The status.
    public internal(set) var status: HTTPResponse.Status
    /// The header fields, in the order in which they came, framing included.
    public internal(set) var headers: HTTPFields = [:]
    /// The body, without its framing.
    public internal(set) var body: [UInt8] = []
    /// The trailer fields of a chunked body.
    public internal(set) var trailers: HTTPFields = [:]
    /// The interim responses that came before it: 100 Continue, say.
    public internal(set) var interim: [HTTPResponse.Status] = []
    /// What the server has logged as errors of requests for this target: what a handler threw that was no `HTTPError`.
    public internal(set) var errors: [TestLogEntry] = []
    /// Whether the server closes the connection after it.
    public internal(set) var closes = false

    init(status: HTTPResponse.Status) { self.status = status }

    /// The body as UTF-8 text; what is not valid becomes U+FFFD.
    public var text: String { String(decoding: body, as: UTF8.self) }

    /// The value of one header field, or nil; several lines of it are joined by ", ".
    public subscript(name: HTTPField.Name) -> String? { headers[name] }
}

extension TestResponse: CustomStringConvertible {
    /// Status, errors, and the beginning of the body.
    public var description: String {
        ([String(status.code)] + errors.map(\.description) + [String(text.prefix(200))]).joined(separator: "; ")
    }
}
