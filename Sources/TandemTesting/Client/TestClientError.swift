/// A failure to connect, or to get a response.
public struct TestClientError: Error, Equatable, CustomStringConvertible {
    /// The kind of the failure; open to new cases.
    public struct Code: Hashable, Sendable {
        private let name: String
        /// The client could not connect.
        public static let notConnected = Code(name: "notConnected")
        /// The connection ended before the response was complete.
        public static let cutShort = Code(name: "cutShort")
        /// The server reset the connection, or closed it while the client was sending.
        public static let reset = Code(name: "reset")
        /// The bytes are not HTTP/1.1.
        public static let malformed = Code(name: "malformed")
        /// The server neither sent nor took anything within the timeout.
        public static let timedOut = Code(name: "timedOut")
        /// The TLS handshake failed, or a TLS record is invalid. The message is OpenSSL's.
        public static let tls = Code(name: "tls")
        /// A client without sockets has no connection; see `TestSetup.inProcess`.
        public static let noConnection = Code(name: "noConnection")
    }

    /// The kind of the failure.
    public let code: Code
    /// One sentence about the failure.
    public let message: String
    /// The errors that the server has logged for requests with this target.
    public internal(set) var errors: [TestLogEntry] = []

    /// Creates an error; a test can compare others with it.
    public init(_ code: Code, _ message: String = "") { (self.code, self.message) = (code, message) }

    /// Compares the codes.
    public static func == (a: TestClientError, b: TestClientError) -> Bool { a.code == b.code }

    /// The message, and the server's errors.
    public var description: String { ([message] + errors.map(\.description)).joined(separator: "; ") }
}
