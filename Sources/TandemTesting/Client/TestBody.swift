/// The body of a test's request.
public enum TestBody: Sendable, ExpressibleByStringLiteral, ExpressibleByArrayLiteral {
    /// A body with Content-Length.
    case bytes([UInt8])
    /// A chunked body, with one chunk per element. An empty element is left out, because it would end the body.
    case chunks([[UInt8]])

    /// Creates a body of the text in UTF-8.
    public init(stringLiteral value: String) { self = .bytes(Array(value.utf8)) }
    /// Creates a body of these bytes.
    public init(arrayLiteral elements: UInt8...) { self = .bytes(elements) }
    /// Returns a body of the text in UTF-8.
    public static func text(_ text: String) -> TestBody { .bytes(Array(text.utf8)) }

    /// The bytes without framing.
    var content: [UInt8] {
        switch self {
        case .bytes(let bytes): bytes
        case .chunks(let chunks): Array(chunks.joined())
        }
    }
}
