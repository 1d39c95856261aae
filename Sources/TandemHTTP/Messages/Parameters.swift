public import HTTPWire

// Typed parameters: one name, `value`, for queries, forms and paths.

extension QueryItems {
    /// Returns the only value of this name.
    ///
    ///     router.get("/search") { request in
    ///         let query = try request.query
    ///         let text = try query.value("q", as: String.self)
    ///         let page = try query.valueIfPresent("page", as: Int.self, in: 1...1_000) ?? 1
    ///         let tags = try query.values("tag", as: String.self, count: 0...5)
    ///         return Response(text: "page \(page) of \(text), \(tags.count) tags\n")
    ///     }
    ///
    /// - Throws: `HTTPError` 400 when the name is missing, when it comes more than once, or when the value is not as expected.
    ///   The message names the parameter and what was expected: `page: expected a whole number from 1 to 1000, found "x"`.
    public func value<Value: ParameterValue>(_ name: String, as type: Value.Type = Value.self) throws(HTTPError) -> Value {
        guard let value = try valueIfPresent(name, as: type) else { throw .missing(name, Value.expectation) }
        return value
    }

    /// Returns the only value of this name, which must be in `range`. Throws as the form without a range.
    @_specialize(where Value == Int)
    public func value<Value: ParameterValue & Comparable>(
        _ name: String, as type: Value.Type = Value.self, in range: ClosedRange<Value>
    ) throws(HTTPError) -> Value {
        guard let value = try valueIfPresent(name, as: type, in: range) else {
            throw .missing(name, Value.expectation(in: range))
        }
        return value
    }

    /// Returns the only value of this name, or nil when the name is missing. For a default value, add `?? value`.
    ///
    /// - Throws: `HTTPError` 400 when the name comes more than once, or when the value is not as expected.
    public func valueIfPresent<Value: ParameterValue>(
        _ name: String, as type: Value.Type = Value.self
    ) throws(HTTPError) -> Value? {
        guard let text = try onlyText(of: name) else { return nil }
        return try Value.reading(text, of: name, orThrow: .badRequest)
    }

    /// Returns the only value of this name, which must be in `range`, or nil when the name is missing. Throws as the form without
    /// a range.
    @_specialize(where Value == Int)
    public func valueIfPresent<Value: ParameterValue & Comparable>(
        _ name: String, as type: Value.Type = Value.self, in range: ClosedRange<Value>
    ) throws(HTTPError) -> Value? {
        guard let text = try onlyText(of: name) else { return nil }
        return try Value.reading(text, of: name, in: range, orThrow: .badRequest)
    }

    /// Returns all values of this name, in order; an empty array when the name is missing and `count` allows 0.
    ///
    /// - Throws: `HTTPError` 400 when there are fewer or more values than `count` allows, or when one is not as expected.
    public func values<Value: ParameterValue>(
        _ name: String, as type: Value.Type = Value.self, count: ClosedRange<Int> = 0...Int.max
    ) throws(HTTPError) -> [Value] {
        var values: [Value] = []
        for text in try texts(of: name, count, Value.expectation) {
            values.append(try Value.reading(text, of: name, orThrow: .badRequest))
        }
        return values
    }

    /// Returns all values of this name, each of which must be in `range`. Throws as the form without a range.
    public func values<Value: ParameterValue & Comparable>(
        _ name: String, as type: Value.Type = Value.self, in range: ClosedRange<Value>, count: ClosedRange<Int> = 0...Int.max
    ) throws(HTTPError) -> [Value] {
        var values: [Value] = []
        for text in try texts(of: name, count, Value.expectation(in: range)) {
            values.append(try Value.reading(text, of: name, in: range, orThrow: .badRequest))
        }
        return values
    }

    private func onlyText(of name: String) throws(HTTPError) -> String? {
        var text: String?
        for item in self where item.name.hasSameBytes(as: name) {
            guard text == nil else {
                throw HTTPError(.badRequest, "\(name): expected one value, found \(count { $0.name.hasSameBytes(as: name) })")
            }
            text = item.value
        }
        return text
    }

    private func texts(
        of name: String, _ count: ClosedRange<Int>, _ expectation: @autoclosure () -> String
    ) throws(HTTPError) -> [String] {
        let texts = values(of: name)
        guard !count.contains(texts.count) else { return texts }
        guard !texts.isEmpty else { throw .missing(name, expectation()) }
        let expected =
            texts.count < count.lowerBound ? "at least \(count.lowerBound)" : count == 1...1 ? "1" : "at most \(count.upperBound)"
        let noun = expected.hasSuffix(" 1") || expected == "1" ? "value" : "values"
        throw HTTPError(.badRequest, "\(name): expected \(expected) \(noun), found \(texts.count)")
    }
}

extension PathParameters {
    /// Returns the value of a `{name}` segment.
    ///
    ///     router.get("/orders/{id}") { request in
    ///         let id = try request.parameters.value("id", as: Int.self)
    ///         return Response(text: "order \(id)\n")
    ///     }
    ///
    /// - Throws: `HTTPError` 404 when the value is not as expected, because a path like `/orders/x` names no resource; 500 when
    ///   the route has no such segment.
    public func value<Value: ParameterValue>(_ name: String, as type: Value.Type = Value.self) throws(HTTPError) -> Value {
        try Value.reading(try text(of: name), of: name, orThrow: .notFound)
    }

    /// Returns the value of a `{name}` segment, which must be in `range`. Throws as the form without a range.
    public func value<Value: ParameterValue & Comparable>(
        _ name: String, as type: Value.Type = Value.self, in range: ClosedRange<Value>
    ) throws(HTTPError) -> Value {
        try Value.reading(try text(of: name), of: name, in: range, orThrow: .notFound)
    }

    private func text(of name: String) throws(HTTPError) -> String {
        guard let text = self[name] else {
            throw HTTPError(.internalServerError, "the path of this route has no segment {\(name)}")
        }
        return text
    }
}

extension HTTPError {
    fileprivate static func missing(_ name: String, _ expectation: String) -> HTTPError {
        HTTPError(.badRequest, "\(name) is missing: expected \(expectation)")
    }
}
