public import HTTPTypes

extension RequestHead {
    /// The number of field lines.
    public var fieldCount: Int { Int(storage.summary.fieldCount) }

    /// All fields in the order received.
    public var fields: HTTPFields { storage.fields }

    /// The value of a field, found without making ``fields``. Several lines are joined as `HTTPFields` joins them: with `, `,
    /// those of `Cookie` with `; `. Bytes that are not UTF-8 are replaced by U+FFFD.
    public subscript(name: HTTPField.Name) -> String? { storage.value(of: name) }

    /// The value of each line of a field, in the order received.
    public func values(of name: HTTPField.Name) -> [String] { storage.values(of: name) }

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
}
