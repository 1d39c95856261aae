public import HTTPTypes

extension RequestHead {
    /// The number of field lines.
    public var fieldCount: Int { Int(storage.summary.fieldCount) }

    /// All fields in the order received.
    public var fields: HTTPFields { storage.fields }

    /// The value of a field; nil without that field. The values of several lines are joined with `, `, those of `Cookie` with
    /// `; `, as `HTTPFields` joins them. Bytes that are not UTF-8 are replaced by U+FFFD. This does not create ``fields``.
    public subscript(name: HTTPField.Name) -> String? { storage.value(of: name) }

    /// Returns the value of each line of a field, in the order received.
    public func values(of name: HTTPField.Name) -> [String] { storage.values(of: name) }

    /// The request as a value of swift-http-types. It is created each time. The scheme is that of an absolute target, otherwise
    /// nil, because a head does not tell whether the connection is secure. `Host` is left out of the fields: it is the
    /// authority, unless the target has one.
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
