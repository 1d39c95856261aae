internal import FoundationEssentials
internal import HTTPTypes
internal import TandemHTTP

/// The value that the decoder expected, and the one that it found: the error under a `DecodingError`.
struct Expectation: Error, CustomStringConvertible {
    let expected: String
    let found: String

    init(_ expected: String, found: String) {
        self.expected = expected
        self.found = found
    }

    var description: String { "expected \(expected), found \(found)" }
}

/// Returns the words for the values of a type in an error, or nil when only the type itself knows them.
func expectation(of type: Any.Type) -> String? {
    switch type {
    case let type as any ParameterValue.Type where type is any (CaseIterable & RawRepresentable).Type: type.expectation
    case let type as any (CaseIterable & RawRepresentable).Type: choices(of: type)
    case let type as any FixedWidthInteger.Type: type.jsonExpectation
    case is any BinaryFloatingPoint.Type, is Decimal.Type: "a number"
    case is String.Type: "a string"
    case is Bool.Type: Bool.jsonExpectation
    case is Date.Type: Date.jsonExpectation
    case is Data.Type: Data.jsonExpectation
    case is URL.Type: URL.jsonExpectation
    case is UUID.Type: "a UUID"
    case is [String: Any].Type: "an object"
    case is [Any].Type: "an array"
    case let type as any ParameterValue.Type: type.expectation
    default: nil
    }
}

private func choices<Value: CaseIterable & RawRepresentable>(of type: Value.Type) -> String {
    "one of " + type.allCases.map { "\($0.rawValue)" }.joined(separator: ", ")
}

extension Bool {
    static var jsonExpectation: String { "true or false" }
}

extension FixedWidthInteger {
    static var jsonExpectation: String { bitWidth < 64 ? "a whole number from \(min) to \(max)" : "a whole number" }
}

extension Date {
    static var jsonExpectation: String { "a date and time such as 2026-01-31T12:00:00Z" }
}

extension Data {
    static var jsonExpectation: String { "base64 text" }
}

extension URL {
    static var jsonExpectation: String { "a URL" }
}

extension HTTPError {
    /// The answer to a text that is not JSON.
    init(_ fault: JSONFault, in bytes: [UInt8]) {
        let before = bytes[..<fault.offset]
        let line = 1 + before.count { $0 == 0x0A }
        // Characters begin with the bytes that continue none.
        let column = 1 + (before.split(separator: 0x0A, omittingEmptySubsequences: false).last ?? []).count { $0 & 0xC0 != 0x80 }
        self.init(.badRequest, "the body is not valid JSON at line \(line), column \(column): \(fault.reason)")
    }

    /// The answer to JSON that is not of the expected shape.
    init(_ error: DecodingError) {
        let (place, message) =
            switch error {
            case .keyNotFound(let key, let context):
                (
                    context.codingPath + [key],
                    " is missing" + ((context.underlyingError as? Expectation).map { ": expected \($0.expected)" } ?? "")
                )
            case .typeMismatch(let type, let context), .valueNotFound(let type, let context):
                (context.codingPath, Self.message(context, type))
            case .dataCorrupted(let context): (context.codingPath, Self.message(context, nil))
            @unknown default: ([], Self.unaccepted)
            }
        self.init(.badRequest, Self.text(of: place) + message)
    }

    private static let unaccepted = " is not an accepted value"

    private static func message(_ context: DecodingError.Context, _ type: Any.Type?) -> String {
        if let expectation = context.underlyingError as? Expectation { return ": \(expectation)" }
        return type.flatMap(expectation(of:)).map { ": expected \($0)" } ?? unaccepted
    }

    /// The index that a key stands for, or nil for a name. The second form is the standard library's, for errors that code throws
    /// for an array that it decodes.
    private static func index(_ key: any CodingKey) -> Int? {
        guard let index = key.intValue, key is Place.Step || key.stringValue == "Index \(index)" else { return nil }
        return index
    }

    /// Writes a path as JavaScript does: `items[2].price`.
    private static func text(of path: [any CodingKey]) -> String {
        guard !path.isEmpty else { return "the body" }
        return path.reduce(into: "") { text, key in
            if let index = index(key) {
                text += "[\(index)]"
            } else if let first = key.stringValue.utf8.first, first.isNameByte, first > UInt8(ascii: "9"),
                key.stringValue.utf8.count <= 100, key.stringValue.utf8.allSatisfy(\.isNameByte)
            {
                text += (text.isEmpty ? "" : ".") + key.stringValue
            } else {
                text += "[\(quoted(key.stringValue))]"
            }
        }
    }
}

extension UInt8 {
    fileprivate var isNameByte: Bool {
        self &- UInt8(ascii: "0") <= 9 || (self | 0x20) &- UInt8(ascii: "a") < 26 || self == UInt8(ascii: "_")
            || self == UInt8(ascii: "-")
    }
}
