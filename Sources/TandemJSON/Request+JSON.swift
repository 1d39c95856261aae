public import TandemHTTP

extension Request {
    /// Reads the whole body as JSON and decodes a value from it.
    ///
    ///     struct Order: Decodable {
    ///         struct Item: Decodable {
    ///             let name: String
    ///             let price: Double
    ///         }
    ///         let customer: UUID
    ///         let items: [Item]
    ///         let due: Date?
    ///     }
    ///
    ///     router.post("/orders") { request in
    ///         let order = try await request.json(as: Order.self)
    ///         return Response(status: .created, text: "\(order.items.count) items\n")
    ///     }
    ///
    /// `Content-Type` must be `application/json`, or a type that ends with `+json`. A request without one is refused too:
    /// browsers send such requests to other sites without asking those first.
    ///
    /// The body must be JSON by RFC 8259 in UTF-8, at most 64 levels deep, without a name that comes twice in an object. A byte
    /// order mark is ignored. Members that the type does not have are ignored. Dates are read as RFC 3339 has them
    /// (`2026-01-31T12:00:00Z`), `Data` from base64, `Decimal` without rounding to binary, and whole numbers also as `1e2` and
    /// `100.0`.
    ///
    /// An error tells the client what is wrong and where, in words of JSON: `items[2].price: expected a number, found a string`.
    /// It has no names of Swift types, and not the text of a `DecodingError` that the value's own `init(from:)` throws. To choose
    /// the sentence there, throw an `HTTPError`.
    ///
    /// Decoding holds the hub. See `decodeJSON` for bodies of more than 100 KiB.
    ///
    /// - Parameter limit: The most bytes that the body may have. The server's own limit (`maxBodyBytes`) holds as well.
    /// - Throws: `HTTPError` 415 for another `Content-Type`, 413 when the body is longer than `limit`, 400 when it cannot be
    ///   decoded; otherwise the errors of `RequestBody.read`, and of an `init(from:)` of the value.
    public func json<Value: Decodable>(as type: Value.Type = Value.self, upTo limit: Int = 1_048_576) async throws -> Value {
        try requireJSON()
        return try decodeJSON(try await body.collect(upTo: limit), as: type)
    }

    /// Reads the whole body as JSON and decodes a value from it; parks the green thread while the body arrives. Throws as the
    /// async form, and `TandemError` `notOnGreenThread`.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public func json<Value: Decodable>(
        as type: Value.Type = Value.self, upTo limit: Int = 1_048_576, file: StaticString = #fileID, line: UInt = #line
    ) throws -> Value {
        try requireJSON()
        return try decodeJSON(try body.collect(upTo: limit, file: file, line: line), as: type)
    }

    /// Checks that the client announced JSON in UTF-8. Throws `HTTPError` 415 otherwise.
    public func requireJSON() throws(HTTPError) {
        try requireMediaType("application/json", or: { $0.hasSuffix("+json") })
    }
}
