/// The error of a wrong configuration. It lists all problems, so that an operator can correct them in one go.
public struct ConfigurationError: Error, Sendable, CustomStringConvertible {
    /// The kind of a problem; more may be added.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        enum Value: String { case unreadableFile, invalidYAML, unknownKey, wrongType, unacceptableValue, unknownVariable }
        let value: Value

        /// The file cannot be opened or read.
        public static let unreadableFile = Code(value: .unreadableFile)
        /// The file is not YAML, or its top is not a mapping.
        public static let invalidYAML = Code(value: .invalidYAML)
        /// The file has a key that does not exist.
        public static let unknownKey = Code(value: .unknownKey)
        /// A value has the wrong shape: a list for a number, a quoted text for a truth value.
        public static let wrongType = Code(value: .wrongType)
        /// A value is malformed or out of range.
        public static let unacceptableValue = Code(value: .unacceptableValue)
        /// The environment has a variable with the daemon's prefix that belongs to no key.
        public static let unknownVariable = Code(value: .unknownVariable)

        /// The code's name.
        public var description: String { value.rawValue }
    }

    /// One problem.
    public struct Problem: Hashable, Sendable, CustomStringConvertible {
        /// The kind of the problem.
        public let code: Code
        /// The place of the problem: `config/tandemd.yaml:12`, `TANDEM_HTTP_PORT`, `--port`.
        public let place: String
        /// A description of the problem, and of the expected value.
        public let message: String

        /// Place and message.
        public var description: String { "\(place): \(message)" }
    }

    /// The problems, at least one, in the order of the sources.
    public let problems: [Problem]

    /// One line per problem.
    public var description: String { problems.map(\.description).joined(separator: "\n") }
}
