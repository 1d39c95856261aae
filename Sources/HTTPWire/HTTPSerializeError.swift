/// The reason why a response cannot be written: the bytes on the wire would not mean what the caller meant. Nothing is written.
public enum HTTPSerializeError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The status code does not have three digits.
    case invalidStatus(Int)
    /// The reason phrase holds a control byte other than tab.
    case invalidReasonPhrase
    /// The value of the named field holds a control byte other than tab. With CR and LF in a value, an attacker could add
    /// fields or a whole response.
    case invalidFieldValue(name: String)
    /// The named field is not allowed in trailers (RFC 9110 section 6.5.1).
    case forbiddenTrailer(name: String)

    /// One sentence that says what is wrong and, where it helps, the remedy.
    public var description: String {
        switch self {
        case .invalidStatus(let code): "The status code \(code) does not have three digits."
        case .invalidReasonPhrase: "The reason phrase holds a control character."
        case .invalidFieldValue(let name): "The value of the field \(name) holds a control character."
        case .forbiddenTrailer(let name): "The field \(name) is not allowed in trailers; send it in the header."
        }
    }
}
