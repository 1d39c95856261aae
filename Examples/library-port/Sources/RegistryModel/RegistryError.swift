/// The reason why a call of the registry has no value. A cancelled call throws Swift's `CancellationError` instead.
public struct RegistryError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kind of error. Later versions may add kinds, so a `switch` needs a `default`.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// The name of the static member.
        public let description: String

        /// The registry does not know the package or the version (404).
        public static let unknownPackage = Code(description: "unknownPackage")
        /// The registry refuses the request with another status of 400 to 499.
        public static let refused = Code(description: "refused")
        /// The registry is overloaded or out of order: 429, or a status of 500 and above.
        public static let unavailable = Code(description: "unavailable")
        /// The registry did not answer in time.
        public static let timedOut = Code(description: "timedOut")
        /// The registry cannot be reached, or the connection broke before the answer was complete.
        public static let connection = Code(description: "connection")
        /// The answer is not what the registry promises.
        public static let malformed = Code(description: "malformed")
        /// The archive does not have the checksum of its manifest.
        public static let wrongChecksum = Code(description: "wrongChecksum")
    }

    /// The kind of error.
    public let code: Code
    /// The path of the resource at the registry.
    public let path: String
    /// The status of the last answer; 0 if there was none.
    public let status: Int
    /// The number of requests that were sent.
    public let attempts: Int

    /// Creates an error.
    public init(_ code: Code, path: String, status: Int = 0, attempts: Int) {
        self.code = code
        self.path = path
        self.status = status
        self.attempts = attempts
    }

    /// One sentence with all values of the error.
    public var description: String {
        "\(path): \(code) after \(attempts) request(s)" + (status > 0 ? ", the last status was \(status)" : "")
    }
}
