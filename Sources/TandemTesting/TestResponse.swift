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

/// The body of a test's request.
public enum TestBody: Sendable, ExpressibleByStringLiteral, ExpressibleByArrayLiteral {
    /// All of it, announced by Content-Length.
    case bytes([UInt8])
    /// Pieces, each sent as one chunk. An empty one is left out: it would be the end.
    case chunks([[UInt8]])

    /// The text in UTF-8.
    public init(stringLiteral value: String) { self = .bytes(Array(value.utf8)) }
    /// These bytes.
    public init(arrayLiteral elements: UInt8...) { self = .bytes(elements) }
    /// The text in UTF-8.
    public static func text(_ text: String) -> TestBody { .bytes(Array(text.utf8)) }
}

/// What came over the wire is no response, or did not come.
public struct TestClientError: Error, CustomStringConvertible {
    /// What went wrong; open to new cases.
    public struct Code: Hashable, Sendable {
        private let name: String
        /// The connection ended before the response was complete.
        public static let cutShort = Code(name: "cutShort")
        /// The bytes are not HTTP/1.1.
        public static let malformed = Code(name: "malformed")
        /// Nothing came for as long as the client waits.
        public static let timedOut = Code(name: "timedOut")
    }

    /// What went wrong.
    public let code: Code
    /// One sentence about it.
    public let message: String
    /// What the server has logged as errors of requests for this target.
    public internal(set) var errors: [TestLogEntry] = []

    init(_ code: Code, _ message: String) { (self.code, self.message) = (code, message) }

    /// The sentence, and the errors.
    public var description: String { ([message] + errors.map(\.description)).joined(separator: "; ") }
}
