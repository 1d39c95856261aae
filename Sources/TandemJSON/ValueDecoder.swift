internal import FoundationEssentials
internal import TandemHTTP

/// The decoder of one value of a document.
struct ValueDecoder: Decoder, SingleValueDecodingContainer {
    let document: JSONDocument
    let node: Int
    let place: Place?

    var kind: JSONDocument.Kind { document.nodes[node].kind }
    var codingPath: [any CodingKey] { Place.path(to: place) }
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
        KeyedDecodingContainer(try ObjectContainer(self))
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer { try ArrayContainer(self) }

    func singleValueContainer() -> any SingleValueDecodingContainer { self }

    func decodeNil() -> Bool { kind == .null }

    /// Decodes any type: the types of Foundation here, others with their own initializer, which for scalars calls those below.
    func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
        if type == Date.self { return try date() as! Value }
        if type == Data.self { return try data() as! Value }
        if type == URL.self { return try url() as! Value }
        if type == Decimal.self { return try decimal() as! Value }
        do {
            return try Value(from: self)
        } catch DecodingError.dataCorrupted(let context) where context.underlyingError == nil {
            // Such as the error of an enumeration without a case for this value: say which there are.
            guard let expected = expectation(of: type), let found = scalarText, context.codingPath.count == codingPath.count
            else { throw DecodingError.dataCorrupted(context) }
            throw unacceptable(expected, found: found)
        }
    }

    func decode(_ type: Bool.Type) throws -> Bool { try boolean() }
    func decode(_ type: String.Type) throws -> String { try string() }
    func decode(_ type: Double.Type) throws -> Double { try floatingPoint() }
    func decode(_ type: Float.Type) throws -> Float { try floatingPoint() }
    func decode(_ type: Int.Type) throws -> Int { try integer() }
    func decode(_ type: Int8.Type) throws -> Int8 { try integer() }
    func decode(_ type: Int16.Type) throws -> Int16 { try integer() }
    func decode(_ type: Int32.Type) throws -> Int32 { try integer() }
    func decode(_ type: Int64.Type) throws -> Int64 { try integer() }
    func decode(_ type: Int128.Type) throws -> Int128 { try integer() }
    func decode(_ type: UInt.Type) throws -> UInt { try integer() }
    func decode(_ type: UInt8.Type) throws -> UInt8 { try integer() }
    func decode(_ type: UInt16.Type) throws -> UInt16 { try integer() }
    func decode(_ type: UInt32.Type) throws -> UInt32 { try integer() }
    func decode(_ type: UInt64.Type) throws -> UInt64 { try integer() }
    func decode(_ type: UInt128.Type) throws -> UInt128 { try integer() }

    // MARK: Scalars

    private func string(_ expected: String = "a string") throws -> String {
        guard kind == .string || kind == .encodedString else { throw mismatch(expected, String.self) }
        return document.text(of: node)
    }

    private func boolean() throws -> Bool {
        switch kind {
        case .true: true
        case .false: false
        default: throw mismatch(Bool.jsonExpectation, Bool.self)
        }
    }

    /// A whole number in any notation: 100, 1e2 and 100.0 are the same.
    private func integer<Value: FixedWidthInteger>(as type: Value.Type = Value.self) throws -> Value {
        guard kind == .number else { throw mismatch(type.jsonExpectation, type) }
        let text = document.text(of: node)
        if let value = Value(text, radix: 10) { return value }
        let number = DecimalNumber(document.bytes(of: node))
        if let value = number.integer(as: type) { return value }
        guard number.isWhole else { throw unacceptable(type.jsonExpectation, found: text) }
        throw unacceptable("a whole number from \(type.min) to \(type.max)", found: text)
    }

    private func floatingPoint<Value: BinaryFloatingPoint & LosslessStringConvertible>(as type: Value.Type = Value.self) throws
        -> Value
    {
        guard kind == .number else { throw mismatch("a number", type) }
        let text = document.text(of: node)
        guard let value = Value(text), value.isFinite else {
            throw unacceptable("a number of at most \(type.bitWidthText)", found: text)
        }
        return value
    }

    // MARK: Types of Foundation

    private func date() throws -> Date {
        let text = try string(Date.jsonExpectation)
        guard let date = Date(rfc3339: text) else { throw unacceptable(Date.jsonExpectation, found: text) }
        return date
    }

    private func data() throws -> Data {
        let text = try string(Data.jsonExpectation)
        guard let data = Data(base64Encoded: text) else { throw unacceptable(Data.jsonExpectation, found: text) }
        return data
    }

    private func url() throws -> URL {
        let text = try string(URL.jsonExpectation)
        guard let url = URL(string: text) else { throw unacceptable(URL.jsonExpectation, found: text) }
        return url
    }

    private func decimal() throws -> Decimal {
        guard kind == .number else { throw mismatch("a number", Decimal.self) }
        let text = document.text(of: node)
        let number = DecimalNumber(document.bytes(of: node))
        guard number.significand.count <= 38, let decimal = Decimal(string: text), decimal.isFinite,
            decimal.isZero == number.significand.isEmpty
        else {
            throw unacceptable("a number that fits in 38 digits", found: text)
        }
        return decimal
    }

    // MARK: Errors

    /// The text of a string or number.
    private var scalarText: String? {
        switch kind {
        case .string, .encodedString, .number: document.text(of: node)
        default: nil
        }
    }

    /// Returns the error for a value of another kind than expected.
    func mismatch(_ expected: String, _ type: Any.Type) -> DecodingError {
        let expectation = Expectation(expected, found: kind.words)
        let context = DecodingError.Context(
            codingPath: codingPath, debugDescription: expectation.description, underlyingError: expectation)
        return kind == .null ? .valueNotFound(type, context) : .typeMismatch(type, context)
    }

    /// Returns the error for a value of the right kind that is not one of those expected.
    private func unacceptable(_ expected: String, found text: String) -> DecodingError {
        let expectation = Expectation(expected, found: kind == .number ? shortened(text) : quoted(text))
        return .dataCorrupted(
            DecodingError.Context(
                codingPath: codingPath, debugDescription: expectation.description, underlyingError: expectation))
    }

    /// Returns the error for a value that is not there.
    func missing(_ type: Any.Type, _ key: any CodingKey) -> DecodingError {
        let expectation = expectation(of: type).map { Expectation($0, found: "nothing") }
        return .keyNotFound(
            key,
            DecodingError.Context(
                codingPath: codingPath, debugDescription: "no value named \(quoted(key.stringValue))",
                underlyingError: expectation))
    }
}

/// The text of a number, without the middle of a long one.
private func shortened(_ number: String) -> String { number.utf8.count > 60 ? number.prefix(60) + "…" : number }

extension BinaryFloatingPoint {
    fileprivate static var bitWidthText: String { "\(1 + exponentBitCount + significandBitCount) bits" }
}

extension JSONDocument.Kind {
    /// The words for a value of this kind in an error.
    fileprivate var words: String {
        switch self {
        case .null: "null"
        case .true: "true"
        case .false: "false"
        case .number: "a number"
        case .string, .encodedString: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }
}
