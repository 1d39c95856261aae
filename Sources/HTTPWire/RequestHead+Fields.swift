public import HTTPTypes

extension RequestHead {
    /// The number of field lines.
    public var fieldCount: Int { Int(storage.summary.fieldCount) }

    /// All fields in the order received.
    public var fields: HTTPFields {
        var fields = HTTPFields()
        fields.reserveCapacity(fieldCount)
        for index in 0..<fieldCount {
            let entry = storage.entry(at: index)
            // The parser has checked that the name is a token, which is all that the initialiser asks for.
            let name = HTTPField.Name(storage.string(entry.name))!
            let field = storage.withBytes(entry.value) { value in
                unsafe value.withUnsafeBufferPointer { unsafe HTTPField(name: name, value: $0) }
            }
            fields.append(field)
        }
        return fields
    }

    /// The value of a field, found without making ``fields``. Several lines are joined as `HTTPFields` joins them: with `, `,
    /// those of `Cookie` with `; `. Bytes that are not UTF-8 are replaced by U+FFFD.
    public subscript(name: HTTPField.Name) -> String? {
        var result: String?
        forEachValue(of: name) { value in
            if let first = result {
                result = first + (name == .cookie ? "; " : ", ") + storage.string(value)
            } else {
                result = storage.string(value)
            }
        }
        return result
    }

    /// The value of each line of a field, in the order received.
    public func values(of name: HTTPField.Name) -> [String] {
        var result: [String] = []
        forEachValue(of: name) { result.append(storage.string($0)) }
        return result
    }

    /// The request as swift-http-types has it. The scheme is that of an absolute target, else nil: whether the connection is
    /// secure is not known here. `Host` is its authority, and so not among its fields.
    public var request: HTTPRequest {
        let pathAndQuery: String? =
            switch targetForm {
            case .origin, .asterisk: target
            case .absolute: query.map { path + "?" + $0 } ?? path
            case .authority: nil
            }
        let scheme = targetForm == .absolute ? target.prefix { $0 != ":" }.lowercased() : nil
        var fields = fields
        fields.removeAll { $0.name.canonicalName == "host" }
        return HTTPRequest(method: method, scheme: scheme, authority: authority, path: pathAndQuery, headerFields: fields)
    }

    private func forEachValue(of name: HTTPField.Name, _ body: (ByteRange) -> Void) {
        let wanted = name.canonicalName.utf8.span
        for index in 0..<fieldCount {
            let entry = storage.entry(at: index)
            guard entry.name.count == wanted.count else { continue }
            if storage.withBytes(entry.name, { $0.equalsIgnoringCase(wanted) }) { body(entry.value) }
        }
    }
}
