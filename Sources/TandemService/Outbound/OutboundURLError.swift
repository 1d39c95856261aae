/// Why a URL is not fetched.
public struct OutboundURLError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong; open to new cases.
    public struct Code: Hashable, Sendable {
        enum Value { case malformed, unsupportedScheme, notAllowed }
        let value: Value

        /// Not a URL, or one that parsers could read differently.
        public static let malformed = Code(value: .malformed)
        /// Neither http nor https.
        public static let unsupportedScheme = Code(value: .unsupportedScheme)
        /// Its origin is not on the allow-list.
        public static let notAllowed = Code(value: .notAllowed)
    }

    /// What is wrong.
    public let code: Code
    /// Completes "the URL is refused: …".
    public let message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The sentence, for the client.
    public var description: String { "the URL is refused: \(message)" }
}
