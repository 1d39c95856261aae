internal import HTTPTypes
public import HTTPWire

extension Request {
    /// Reads the whole body as a form, `application/x-www-form-urlencoded`, and returns its fields.
    ///
    ///     router.post("/signup") { request in
    ///         let form = try await request.form()
    ///         let name = try form.value("name", as: String.self)
    ///         let age = try form.valueIfPresent("age", as: Int.self, in: 0...150)
    ///         return Response(text: "welcome, \(name) (\(age ?? 0))\n")
    ///     }
    ///
    /// `multipart/form-data`, which browsers use to upload files, is not supported.
    ///
    /// - Parameter limit: The most bytes that the body may have. The server's own limit (`maxBodyBytes`) holds as well.
    /// - Throws: `HTTPError` 415 when `Content-Type` is absent or another one, 413 when the body is longer than `limit`, 400 when
    ///   a name or a value does not decode; otherwise like `RequestBody.read`.
    public func form(upTo limit: Int = 1_048_576) async throws -> QueryItems {
        try requireMediaType(formType)
        return try formFields(try await body.collect(upTo: limit))
    }

    /// Reads the whole body as a form, `application/x-www-form-urlencoded`, and returns its fields; parks the green thread.
    /// Throws as the async form, and `TandemError` `notOnGreenThread`.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public func form(upTo limit: Int = 1_048_576, file: StaticString = #fileID, line: UInt = #line) throws -> QueryItems {
        try requireMediaType(formType)
        return try formFields(try body.collect(upTo: limit, file: file, line: line))
    }
}

private let formType = "application/x-www-form-urlencoded"

private func formFields(_ bytes: [UInt8]) throws(HTTPError) -> QueryItems {
    guard let text = String(validating: bytes, as: UTF8.self), let fields = QueryItems(text) else {
        throw HTTPError(.badRequest, "the form is not valid percent-encoded UTF-8")
    }
    return fields
}
