/// One name and its value, decoded.
public struct QueryItem: Sendable, Hashable {
    /// What is before the first `=`.
    public let name: String
    /// What is after it; empty without one.
    public let value: String

    /// Creates an item.
    public init(name: String, value: String) {
        self.name = name
        self.value = value
    }
}

/// The items of a query or of a form's body, as `application/x-www-form-urlencoded` writes them: `name=value` joined by `&`,
/// percent-encoded, with `+` for a space. They keep their order, and a name may come more than once.
public struct QueryItems: Sendable, Hashable, RandomAccessCollection {
    private var items: [QueryItem] = []

    /// Decodes a query, as ``RequestHead/query`` gives it: without its `?`. Empty items are left out.
    ///
    /// - Returns: Nil if a name or a value does not decode; see ``PercentDecoding``.
    public init?(_ query: String) {
        let bytes = query.utf8.span
        var start = 0
        while start < bytes.count {
            let end = bytes.firstIndex(of: UInt8(ascii: "&"), from: start) ?? bytes.count
            defer { start = end + 1 }
            guard start < end else { continue }
            let item = bytes.extracting(start..<end)
            let nameEnd = item.firstIndex(of: UInt8(ascii: "=")) ?? item.count
            let valueStart = Swift.min(nameEnd + 1, item.count)
            guard let name = PercentDecoding.decode(item.extracting(0..<nameEnd), plusIsSpace: true),
                let value = PercentDecoding.decode(item.extracting(valueStart..<item.count), plusIsSpace: true)
            else { return nil }
            items.append(QueryItem(name: name, value: value))
        }
    }

    /// The value of the first item of that name, or nil.
    public subscript(name: String) -> String? {
        items.first { $0.name == name }?.value
    }

    /// The values of all items of that name, in order.
    public func values(of name: String) -> [String] {
        var values: [String] = []
        for item in items where item.name == name { values.append(item.value) }
        return values
    }

    /// 0.
    public var startIndex: Int { items.startIndex }
    /// The number of items.
    public var endIndex: Int { items.endIndex }
    /// The item at an index.
    public subscript(index: Int) -> QueryItem { items[index] }
}
