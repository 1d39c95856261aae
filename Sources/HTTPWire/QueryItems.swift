/// A name and its value in a query, both decoded.
public struct QueryItem: Sendable, Hashable {
    /// The decoded text before the first `=`.
    public let name: String
    /// The decoded text after the first `=`; empty without a `=`.
    public let value: String

    /// Creates an item.
    public init(name: String, value: String) {
        self.name = name
        self.value = value
    }
}

/// The items of a query or of a form's body in the format `application/x-www-form-urlencoded`: `name=value` pairs joined by `&`,
/// percent-encoded, with `+` for a space. They keep their order, and a name may occur more than once.
public struct QueryItems: Sendable, Hashable, RandomAccessCollection {
    private var items: [QueryItem] = []

    /// Decodes a query without its `?`, such as ``RequestHead/query``. Empty items are left out.
    ///
    /// - Returns: Nil if a name or a value cannot be decoded; see ``PercentDecoding``.
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

    /// The value of the first item with this name, or nil. Names are compared by their bytes.
    public subscript(name: String) -> String? {
        items.first { $0.name.hasSameBytes(as: name) }?.value
    }

    /// Returns the values of all items with this name, in order.
    public func values(of name: String) -> [String] {
        var values: [String] = []
        for item in items where item.name.hasSameBytes(as: name) { values.append(item.value) }
        return values
    }

    /// The index of the first item: 0.
    public var startIndex: Int { items.startIndex }
    /// The number of items.
    public var endIndex: Int { items.endIndex }
    /// The item at `index`, from 0 to the number of items minus 1.
    public subscript(index: Int) -> QueryItem { items[index] }
}
