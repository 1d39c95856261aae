public import HTTPTypes
public import TandemHTTP

extension Response {
    /// Creates an answer with this value in JSON, in `application/json` unless `headers` has a `Content-Type`.
    ///
    ///     struct Greeting: Encodable { let text: String }
    ///
    ///     router.get("/hello") { _ in try Response(json: Greeting(text: "hello")) }
    ///
    /// `encodeJSON` describes the text. JSON that you have as text or bytes goes into `Response(jsonText:)` and
    /// `Response(jsonBytes:)`.
    ///
    /// - Throws: As `encodeJSON`. A handler that throws such an error answers 500.
    public init(
        status: HTTPResponse.Status = .ok, headers: HTTPFields = [:], json value: some Encodable
    ) throws {
        self.init(status: status, jsonBytes: try encodeJSON(value))
        guard !headers.isEmpty else { return }
        if headers[.contentType] != nil { self.headers[.contentType] = nil }
        self.headers.append(contentsOf: headers)
    }
}
