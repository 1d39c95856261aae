/// A response that cannot be written, because what would be on the wire would not be what was meant. Nothing is written then.
public enum HTTPSerializeError: Error, Sendable, Hashable, CustomStringConvertible {
    /// A status code that does not have three digits.
    case invalidStatus(Int)
    /// A reason phrase that holds a control byte.
    case invalidReasonPhrase
    /// The value of the named field holds a control byte. With CR and LF the rest of it would be fields, or a response, of
    /// an attacker's choice.
    case invalidFieldValue(name: String)
    /// The named field is not allowed in trailers (RFC 9110 section 6.5.1).
    case forbiddenTrailer(name: String)

    /// One sentence that says what is wrong.
    public var description: String {
        switch self {
        case .invalidStatus(let code): "The status code \(code) does not have three digits."
        case .invalidReasonPhrase: "The reason phrase holds a control character."
        case .invalidFieldValue(let name): "The value of the field \(name) holds a control character."
        case .forbiddenTrailer(let name): "The field \(name) is not allowed in trailers; send it in the header."
        }
    }
}
