internal import Tandem

/// The body of a request: bytes in memory, or a stream that code in either style writes while the client sends it.
///
///     FetchBody(bytes)
///     FetchBody("text")
///     FetchBody(request.body, contentLength: request.body.contentLength)          // an AsyncSequence, piped through
///     FetchBody(streaming: { writer in try await writer.write(piece) })           // async code
///     FetchBody(streaming: { writer in try writer.write(piece) })                 // blocking code, on a green thread
///
/// The client sends a stream that has a `contentLength` with that `Content-Length`, and any other stream in chunks (in HTTP/2,
/// as DATA frames without a length). The stream's producer starts when the connection is ready for the body. It runs on the hub
/// of the fetch, with the task-locals of the caller. When the upstream is slow, the producer has to wait: at most 64 KiB, or
/// one piece if that is larger, wait to be sent. An error that the producer throws ends the fetch, and the caller gets that
/// error. The client cancels the producer when the exchange is over, and the call that ended the exchange returns after the
/// producer has unwound.
public struct FetchBody: Sendable, ExpressibleByArrayLiteral, ExpressibleByStringLiteral {
    typealias Producer = @Sendable (FetchBodyWriter) async throws -> Void

    enum Content: Sendable {
        case bytes([UInt8])
        case stream(Producer)
    }

    let content: Content
    /// The length of the body in bytes; nil if it is not known in advance.
    public let contentLength: Int?
    /// Whether the client can send the body again, for a redirect (307, 308) or a retry.
    public let isRepeatable: Bool

    private init(_ content: Content, contentLength: Int?, isRepeatable: Bool) {
        self.content = content
        self.contentLength = contentLength
        self.isRepeatable = isRepeatable
    }

    /// Returns a body of these bytes.
    public static func bytes(_ bytes: [UInt8]) -> FetchBody {
        FetchBody(.bytes(bytes), contentLength: bytes.count, isRepeatable: true)
    }

    /// Creates a body of these bytes.
    public init(_ bytes: [UInt8]) { self = .bytes(bytes) }

    /// Creates a body of a text, in UTF-8.
    public init(_ text: String) { self = .bytes(Array(text.utf8)) }

    /// Creates a body of these bytes.
    public init(arrayLiteral elements: UInt8...) { self = .bytes(elements) }

    /// Creates a body of a text, in UTF-8.
    public init(stringLiteral text: String) { self.init(text) }

    /// Creates a stream that an async closure writes.
    ///
    /// - Parameters:
    ///   - contentLength: The number of bytes that `body` will write. If it writes more or fewer, the fetch ends with
    ///     `badRequest`. Nil if the number is not known.
    ///   - isRepeatable: Whether the client may call `body` again, and `body` then writes the same bytes.
    ///   - body: Writes the body.
    public init(
        contentLength: Int? = nil, isRepeatable: Bool = false,
        streaming body: @escaping @Sendable (FetchBodyWriter) async throws -> Void
    ) {
        self.init(.stream(body), contentLength: contentLength, isRepeatable: isRepeatable)
    }

    /// Creates a stream that a blocking closure writes, on a green thread. Otherwise like the async form. The closure's own style
    /// selects the form: a closure that awaits is async.
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking handler: await in the closure [migration: blocking handler]")
    #endif
    public init(
        contentLength: Int? = nil, isRepeatable: Bool = false,
        streaming body: @escaping @Sendable (FetchBodyWriter) throws -> Void
    ) {
        self.init(
            .stream { writer in try await blocking(name: "upload", line: 0) { try body(writer) } }, contentLength: contentLength,
            isRepeatable: isRepeatable)
    }

    /// Creates a stream that sends the pieces of a sequence, such as the body of a request, as they arrive.
    public init<Pieces: AsyncSequence & Sendable>(_ pieces: Pieces, contentLength: Int? = nil) where Pieces.Element == [UInt8] {
        self.init(
            contentLength: contentLength,
            streaming: { writer in
                for try await piece in pieces { try await writer.write(piece) }
            })
    }
}
