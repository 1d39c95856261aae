public import HTTPTypes
internal import HTTPWire
internal import Synchronization
internal import Tandem

/// A handler's answer: a status, header fields, and a body that is in memory or streamed.
///
/// The server sets `Content-Length`, `Transfer-Encoding`, `Connection`, `Keep-Alive` and `Date`, and leaves out those among
/// `headers`. It omits the body of an answer to HEAD, or with a status that allows no body (204, 205, 304).
public struct Response: Sendable {
    enum Body: Sendable {
        case bytes([UInt8])
        case stream(length: Int?, ResponseStream)
    }

    private var storage: Storage

    /// The status.
    public var status: HTTPResponse.Status {
        get { storage.status }
        _modify {
            makeUnique()
            yield &storage.status
        }
    }

    /// The header fields.
    public var headers: HTTPFields {
        get { storage.headers }
        _modify {
            makeUnique()
            yield &storage.headers
        }
    }

    var body: Body { storage.body }

    /// The length of a body in memory; 0 for a streamed one.
    var bodyCount: Int { if case .bytes(let bytes) = body { bytes.count } else { 0 } }

    /// The length of the body; nil for a stream that has announced none.
    package var bodyLength: Int? {
        switch body {
        case .bytes(let bytes): bytes.count
        case .stream(let length, _): length
        }
    }

    /// Whether the status allows a body (RFC 9110 sections 6.4.1 and 15.3.6).
    var mayHaveBody: Bool { ![204, 205, 304].contains(status.code) && status.kind != .informational }

    private init(_ status: HTTPResponse.Status, _ headers: HTTPFields, _ body: Body, encoded: Encoded? = nil) {
        storage = Storage(status, headers, body, encoded: encoded)
    }

    /// Creates an answer with these bytes as its body.
    public init(status: HTTPResponse.Status = .ok, headers: HTTPFields = [:], body: [UInt8] = []) {
        self.init(status, headers, .bytes(body))
    }

    /// Creates an answer in `text/plain; charset=utf-8`.
    public init(status: HTTPResponse.Status = .ok, text: String) {
        self.init(status, Response.text.fields, .bytes(Array(text.utf8)), encoded: Response.text.encoded)
    }

    /// Creates an answer in `application/json`; the text must be JSON. `TandemJSON` has `Response(json:)` for a value.
    public init(status: HTTPResponse.Status = .ok, jsonText: String) {
        self.init(status: status, jsonBytes: Array(jsonText.utf8))
    }

    /// Creates an answer in `application/json`; the bytes must be JSON in UTF-8.
    public init(status: HTTPResponse.Status = .ok, jsonBytes: [UInt8]) {
        self.init(status, Response.json.fields, .bytes(jsonBytes), encoded: Response.json.encoded)
    }

    /// Creates an answer whose body an async closure writes.
    ///
    /// The server sends the head with the first bytes of the body. If `body` throws before that, the server answers as if the
    /// handler had thrown the error. If `body` throws later, or writes less than it announced, the server cuts the connection,
    /// so that the client notices.
    ///
    /// - Parameters:
    ///   - status: The status.
    ///   - headers: The header fields.
    ///   - contentLength: The length of the body in bytes. Nil sends the body in chunks, or to an HTTP/1.0 client until the
    ///     connection closes.
    ///   - body: Writes the body. It runs on the connection's hub, after the handler has returned.
    public init(
        status: HTTPResponse.Status = .ok, headers: HTTPFields = [:], contentLength: Int? = nil,
        streaming body: @escaping @Sendable (ResponseWriter) async throws -> Void
    ) {
        self.init(status, headers, .stream(length: contentLength, .async(body)))
    }

    /// Creates an answer whose body a blocking closure writes, on a green thread. Otherwise like the async form. The closure's
    /// own style selects the form: a closure that awaits is async.
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking handler: await in the closure [migration: blocking handler]")
    #endif
    public init(
        status: HTTPResponse.Status = .ok, headers: HTTPFields = [:], contentLength: Int? = nil,
        streaming body: @escaping @Sendable (ResponseWriter) throws -> Void
    ) {
        self.init(status, headers, .stream(length: contentLength, .blocking(body)))
    }

    // MARK: Reading a body

    /// Returns all bytes of the body, also of a body that a closure writes; for tests that call a handler. Called on a hub, it
    /// runs a blocking closure on that hub.
    ///
    /// - Throws: Any error that the closure throws; `HTTPError` 500 if it writes more or less than it announced.
    public func collectBody() async throws -> [UInt8] {
        let memory = MemorySink()
        try await collectBody(into: memory)
        return memory.bytes
    }

    /// Writes all bytes of the body to `memory`, which has the first of them if this throws.
    func collectBody(into memory: MemorySink) async throws {
        switch body {
        case .bytes(let bytes): _ = memory.put(bytes)
        case .stream(let length, let stream):
            let writer = ResponseWriter(memory, contentLength: length, draining: Draining(Event()))
            try await stream.write(to: writer, name: "response body")
            try writer.end()
        }
    }

    /// Returns all bytes of the body. A blocking closure runs on the calling thread, which may be any thread. While an async
    /// closure writes, this parks the green thread, or blocks the OS thread. Throws as the async form, and `TandemError`
    /// `notOnGreenThread`.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public func collectBody(file: StaticString = #fileID, line: UInt = #line) throws -> [UInt8] {
        switch body {
        case .bytes(let bytes): return bytes
        case .stream(_, .async): return try awaiting(file: file, line: line) { try await collectBody() }
        case .stream(let length, .blocking(let write)):
            let memory = MemorySink()
            let writer = ResponseWriter(memory, contentLength: length, draining: Draining(Event()))
            try write(writer)
            try writer.end()
            return memory.bytes
        }
    }

    // MARK: Storage

    // @unchecked: changed only while a single `Response` refers to it, and `encoded` is atomic.
    /// The one object behind a response, which copies share.
    private final class Storage: @unchecked Sendable {
        @exclusivity(unchecked) var status: HTTPResponse.Status
        @exclusivity(unchecked) var headers: HTTPFields
        let body: Body
        /// The encoded field lines. They are stored when the response is sent for the second time: many requests then share it.
        let encoded: OnceReference<Encoded>
        let wasSent = Atomic(false)

        init(_ status: HTTPResponse.Status, _ headers: HTTPFields, _ body: Body, encoded: Encoded?) {
            self.status = status
            self.headers = headers
            self.body = body
            self.encoded = OnceReference(encoded)
        }
    }

    private final class Encoded: Sendable {
        let fields: EncodedFields
        init(_ fields: EncodedFields) { self.fields = fields }
    }

    private mutating func makeUnique() {
        // After the change, encoded fields would no longer match `headers`.
        guard !isKnownUniquelyReferenced(&storage) || storage.encoded.object != nil else { return }
        storage = Storage(storage.status, storage.headers, storage.body, encoded: nil)
    }

    /// Returns the encoded field lines, checked. Throws for a value with a control byte.
    func encodedFields() throws(HTTPSerializeError) -> EncodedFields {
        if let encoded = storage.encoded.object { return encoded.fields }
        let fields = try EncodedFields(storage.headers)
        if storage.wasSent.exchange(true, ordering: .relaxed) { storage.encoded.store(Encoded(fields)) }
        return fields
    }

    /// Returns this response with a stream that is copied to `kept` while it runs. A body in memory stays as it is.
    func recorded(by kept: KeptStream) -> Response {
        guard case .stream(let length, let stream) = body else { return self }
        return Response(status, headers, .stream(length: length, stream.recorded(by: kept)))
    }

    /// Returns this response with the request's id among its fields.
    func adding(requestID: String) -> Response {
        var response = self
        response.headers[.xRequestID] = requestID
        return response
    }

    /// Header fields that many responses have, encoded once.
    private struct Usual: Sendable {
        let fields: HTTPFields
        let encoded: Encoded?

        init(_ fields: HTTPFields) {
            self.fields = fields
            encoded = (try? EncodedFields(fields)).map(Encoded.init)
        }
    }

    private static let text = Usual([.contentType: "text/plain; charset=utf-8"])
    private static let json = Usual([.contentType: "application/json"])
}

/// Code that writes a body, in either style.
enum ResponseStream: Sendable {
    case async(@Sendable (ResponseWriter) async throws -> Void)
    case blocking(@Sendable (ResponseWriter) throws -> Void)

    /// Returns the same code, whose writer copies to `kept`. The copy is made on the hub of the answer.
    func recorded(by kept: KeptStream) -> ResponseStream {
        // Used by the task that runs the stream, and afterwards by code of the same hub.
        nonisolated(unsafe) let kept = kept
        switch self {
        case .async(let body):
            return .async { writer in
                writer.kept = kept
                do {
                    try await body(writer)
                    kept.end()
                } catch {
                    kept.end(error)
                    throw error
                }
            }
        case .blocking(let body):
            return .blocking { writer in
                writer.kept = kept
                do {
                    try body(writer)
                    kept.end()
                } catch {
                    kept.end(error)
                    throw error
                }
            }
        }
    }

    /// Writes the body. Blocking code borrows a green stack for the length of the call.
    func write(to writer: ResponseWriter, name: GreenThreadName) async throws {
        switch self {
        case .async(let body): try await body(writer)
        case .blocking(let body): try await Tandem.blocking(name: name, line: 0) { try body(writer) }
        }
    }
}

/// A sink that keeps the written bytes in memory.
final class MemorySink: AnswerSink {
    private(set) var bytes: [UInt8] = []

    func put(_ bytes: [UInt8]) -> WriteStep {
        self.bytes += bytes
        return .goesOn
    }

    func flush() async {}

    func flush(file: StaticString, line: UInt) {}

    func giveWay() async {}

    func giveWay(file: StaticString, line: UInt) {}
}
