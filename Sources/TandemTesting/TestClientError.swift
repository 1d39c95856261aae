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
