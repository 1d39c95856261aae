/// A value that a handler reads from one parameter of a query, a form or a path.
///
/// The standard library's integers, `Double`, `Float`, `Bool` and `String` conform. An enumeration with cases needs no code, and
/// an error lists its cases:
///
///     enum SortOrder: String, CaseIterable, ParameterValue { case newest, oldest }
///
///     // ?sort=best: 400 sort: expected one of newest, oldest, found "best"
///     let order = try request.query.value("sort", as: SortOrder.self)
///
/// A type with a syntax of its own says what it expects:
///
///     struct CountryCode: ParameterValue {
///         static var expectation: String { "a country code of two letters" }
///         let letters: String
///
///         init?(parameter text: String) {
///             guard text.count == 2, text.allSatisfy({ $0.isASCII && $0.isLetter }) else { return nil }
///             letters = text.uppercased()
///         }
///     }
public protocol ParameterValue {
    /// The text that follows the word "expected" in an error, such as `a whole number`. Clients see it.
    static var expectation: String { get }

    /// Creates the value from the decoded text of one parameter. Returns nil when the text is not as expected.
    init?(parameter text: String)
}

extension ParameterValue {
    /// Creates the value of the parameter `name`. Throws an error that says what was expected and found.
    static func reading(_ text: String, of name: String, orThrow status: HTTPResponse.Status) throws(HTTPError) -> Self {
        guard let value = Self(parameter: text) else {
            throw HTTPError(status, "\(name): expected \(expectation), found \(quoted(text))")
        }
        return value
    }
}

extension ParameterValue where Self: Comparable {
    /// Creates the value of the parameter `name`. Throws an error unless the value is in `range`.
    static func reading(
        _ text: String, of name: String, in range: ClosedRange<Self>, orThrow status: HTTPResponse.Status
    ) throws(HTTPError) -> Self {
        guard let value = Self(parameter: text), range.contains(value) else {
            throw HTTPError(status, "\(name): expected \(expectation(in: range)), found \(quoted(text))")
        }
        return value
    }

    static func expectation(in range: ClosedRange<Self>) -> String {
        let kind = Self.self is any FixedWidthInteger.Type ? wholeNumber : expectation
        return "\(kind) from \(range.lowerBound) to \(range.upperBound)"
    }
}

private let wholeNumber = "a whole number"

extension String: ParameterValue {
    /// `text`.
    public static var expectation: String { "text" }

    /// The text itself, which may be empty.
    public init?(parameter text: String) { self = text }
}

extension Bool: ParameterValue {
    /// `true or false`.
    public static var expectation: String { "true or false" }

    /// Accepts `true` and `false`, and nothing else.
    public init?(parameter text: String) {
        switch text {
        case "true": self = true
        case "false": self = false
        default: return nil
        }
    }
}

// MARK: Enumerations

extension ParameterValue where Self: RawRepresentable & CaseIterable, RawValue: ParameterValue {
    /// `one of` and the raw values of all cases.
    public static var expectation: String { "one of " + allCases.map { "\($0.rawValue)" }.joined(separator: ", ") }

    /// Creates the case with this raw value. Text is compared by its bytes.
    public init?(parameter text: String) {
        guard let rawValue = RawValue(parameter: text) else { return nil }
        self.init(rawValue: rawValue)
        if let own = self.rawValue as? String, !own.hasSameBytes(as: text) { return nil }
    }
}

// MARK: Numbers

extension ParameterValue where Self: FixedWidthInteger {
    /// `a whole number`, and the limits of a type that is narrower than 64 bits or has no negative numbers.
    public static var expectation: String {
        if bitWidth < 64 { return "\(wholeNumber) from \(min) to \(max)" }
        return isSigned ? wholeNumber : "\(wholeNumber) from 0 to \(max)"
    }

    /// Accepts decimal digits with at most a minus sign in front: no plus sign, no space, and no leading zero, which some read as
    /// octal.
    public init?(parameter text: String) {
        let digits = text.utf8.first == UInt8(ascii: "-") ? text.utf8.dropFirst() : text.utf8[...]
        guard let first = digits.first, digits.allSatisfy({ $0 &- UInt8(ascii: "0") <= 9 }),
            first != UInt8(ascii: "0") || text == "0"
        else { return nil }
        self.init(text)
    }
}

extension Int: ParameterValue {}
extension Int8: ParameterValue {}
extension Int16: ParameterValue {}
extension Int32: ParameterValue {}
extension Int64: ParameterValue {}
extension UInt: ParameterValue {}
extension UInt8: ParameterValue {}
extension UInt16: ParameterValue {}
extension UInt32: ParameterValue {}
extension UInt64: ParameterValue {}

extension ParameterValue where Self: LosslessStringConvertible & BinaryFloatingPoint {
    /// `a number`.
    public static var expectation: String { "a number" }

    /// Accepts a number as JSON writes it: no infinity, no NaN, no hexadecimal digits, no plus sign in front.
    public init?(parameter text: String) {
        guard text.isJSONNumber, let number = Self(text), number.isFinite else { return nil }
        self = number
    }
}

extension Double: ParameterValue {}
extension Float: ParameterValue {}

extension String {
    /// Whether this is a number in the grammar of RFC 8259, section 6.
    fileprivate var isJSONNumber: Bool {
        var rest = utf8[...]
        func digits() -> Int {
            let count = rest.prefix { $0 &- UInt8(ascii: "0") <= 9 }.count
            rest = rest.dropFirst(count)
            return count
        }
        if rest.first == UInt8(ascii: "-") { rest.removeFirst() }
        let hasLeadingZero = rest.first == UInt8(ascii: "0")
        let whole = digits()
        guard whole > 0, !hasLeadingZero || whole == 1 else { return false }
        if rest.first == UInt8(ascii: ".") {
            rest.removeFirst()
            guard digits() > 0 else { return false }
        }
        if rest.first == UInt8(ascii: "e") || rest.first == UInt8(ascii: "E") {
            rest.removeFirst()
            if rest.first == UInt8(ascii: "-") || rest.first == UInt8(ascii: "+") { rest.removeFirst() }
            guard digits() > 0 else { return false }
        }
        return rest.isEmpty
    }
}
