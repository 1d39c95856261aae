/// The members of an object, by name.
struct ObjectContainer<Key: CodingKey>: KeyedDecodingContainerProtocol {
    private let object: ValueDecoder
    /// The nodes of the values, by name. Nil for a small object, where looking at each name is faster.
    private let values: [String: Int]?

    init(_ decoder: ValueDecoder) throws {
        guard decoder.kind == .object else { throw decoder.mismatch("an object", [String: Any].self) }
        object = decoder
        let count = decoder.document.nodes[decoder.node].count
        guard count > 16 else {
            values = nil
            return
        }
        var values: [String: Int] = [:]
        values.reserveCapacity(count)
        Self.forEachName(of: decoder) { values[decoder.document.text(of: $0)] = $0 + 1 }
        self.values = values
    }

    private static func forEachName(of object: ValueDecoder, _ body: (Int) -> Void) {
        var name = object.node + 1
        for _ in 0..<object.document.nodes[object.node].count {
            body(name)
            name = object.document.after(name + 1)
        }
    }

    /// Returns the node of a value, or nil.
    private func find(_ name: String) -> Int? {
        let document = object.document
        // Equal keys of the dictionary may have different bytes.
        if let values { return values[name].flatMap { document.string($0 - 1, equals: name) ? $0 : nil } }
        var node = object.node + 1
        for _ in 0..<document.nodes[object.node].count {
            if document.string(node, equals: name) { return node + 1 }
            node = document.after(node + 1)
        }
        return nil
    }

    private func member(_ key: some CodingKey, _ type: Any.Type) throws -> ValueDecoder {
        guard let node = find(key.stringValue) else { throw object.missing(type, key) }
        return value(node, key)
    }

    private func value(_ node: Int, _ key: some CodingKey) -> ValueDecoder {
        ValueDecoder(document: object.document, node: node, place: Place(object.place, .name(key.stringValue)))
    }

    var codingPath: [any CodingKey] { object.codingPath }

    var allKeys: [Key] {
        var keys: [Key] = []
        Self.forEachName(of: object) { if let key = Key(stringValue: object.document.text(of: $0)) { keys.append(key) } }
        return keys
    }

    func contains(_ key: Key) -> Bool { find(key.stringValue) != nil }

    func decodeNil(forKey key: Key) throws -> Bool { try member(key, Never.self).decodeNil() }

    func decode<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value { try member(key, type).decode(type) }

    func decodeIfPresent<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value? {
        guard let node = find(key.stringValue), object.document.nodes[node].kind != .null else { return nil }
        return try value(node, key).decode(type)
    }

    func nestedContainer<NestedKey: CodingKey>(
        keyedBy type: NestedKey.Type, forKey key: Key
    ) throws -> KeyedDecodingContainer<NestedKey> {
        try member(key, [String: Any].self).container(keyedBy: type)
    }

    func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
        try member(key, [Any].self).unkeyedContainer()
    }

    func superDecoder() throws -> any Decoder { try member(Place.Step.name("super"), Never.self) }

    func superDecoder(forKey key: Key) throws -> any Decoder { try member(key, Never.self) }
}

/// The elements of an array, in order.
struct ArrayContainer: UnkeyedDecodingContainer {
    private let array: ValueDecoder
    private var node: Int
    private let length: Int
    private(set) var currentIndex = 0

    init(_ decoder: ValueDecoder) throws {
        guard decoder.kind == .array else { throw decoder.mismatch("an array", [Any].self) }
        array = decoder
        node = decoder.node + 1
        length = decoder.document.nodes[decoder.node].count
    }

    var codingPath: [any CodingKey] { array.codingPath }
    var count: Int? { length }
    var isAtEnd: Bool { currentIndex == length }

    private func element(_ type: Any.Type) throws -> ValueDecoder {
        let step = Place.Step.index(currentIndex)
        guard !isAtEnd else { throw array.missing(type, step) }
        return ValueDecoder(document: array.document, node: node, place: Place(array.place, step))
    }

    private mutating func advance() {
        node = array.document.after(node)
        currentIndex += 1
    }

    mutating func decodeNil() throws -> Bool {
        guard try element(Never.self).decodeNil() else { return false }
        advance()
        return true
    }

    mutating func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
        let value = try element(type).decode(type)
        advance()
        return value
    }

    mutating func decodeIfPresent<Value: Decodable>(_ type: Value.Type) throws -> Value? {
        guard !isAtEnd, try !decodeNil() else { return nil }
        return try decode(type)
    }

    mutating func nestedContainer<NestedKey: CodingKey>(
        keyedBy type: NestedKey.Type
    ) throws -> KeyedDecodingContainer<NestedKey> {
        let container = try element([String: Any].self).container(keyedBy: type)
        advance()
        return container
    }

    mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer {
        let container = try element([Any].self).unkeyedContainer()
        advance()
        return container
    }

    mutating func superDecoder() throws -> any Decoder {
        let decoder = try element(Never.self)
        advance()
        return decoder
    }
}
