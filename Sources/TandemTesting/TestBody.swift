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
