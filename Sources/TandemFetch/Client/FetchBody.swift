internal import Tandem

/// The body of a request: bytes at hand, or a stream that code in either style produces while it is sent.
///
///     FetchBody(bytes)
///     FetchBody("text")
///     FetchBody(request.body, contentLength: request.body.contentLength)          // an AsyncSequence, piped through
///     FetchBody(streaming: { writer in try await writer.write(piece) })           // async code
///     FetchBody(streaming: { writer in try writer.write(piece) })                 // blocking code, on a green thread
///
/// A stream with a `contentLength` is sent with that `Content-Length`, one without it chunked (on HTTP/2 just as DATA). Its
/// producer starts when the connection is there and asks for the body, runs on the hub of the fetch with the task-locals of
/// the caller, and is held back when the upstream is slower: at most 64 KiB, or one piece if that is more, wait to be sent.
/// An error that it throws ends the fetch and reaches the caller as it is. It is cancelled when the exchange is over, and
/// the call that ended the exchange returns when it has unwound.
public struct FetchBody: Sendable, ExpressibleByArrayLiteral, ExpressibleByStringLiteral {
    typealias Producer = @Sendable (FetchBodyWriter) async throws -> Void

    enum Content: Sendable {
        case bytes([UInt8])
        case stream(Producer)
    }

    let content: Content
    /// The number of bytes; nil when it is not known.
    public let contentLength: Int?
    /// Whether it can be sent again, for a redirect (307, 308) or a retry.
    public let isRepeatable: Bool

    private init(_ content: Content, contentLength: Int?, isRepeatable: Bool) {
        self.content = content
        self.contentLength = contentLength
        self.isRepeatable = isRepeatable
    }

    /// These bytes.
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

    /// A stream that an async closure writes.
    ///
    /// - Parameters:
    ///   - contentLength: How many bytes it will write; more or fewer end the fetch with `badRequest`.
    ///   - isRepeatable: Whether `body` can be called again, and writes the same bytes each time.
    public init(
        contentLength: Int? = nil, isRepeatable: Bool = false,
        streaming body: @escaping @Sendable (FetchBodyWriter) async throws -> Void
    ) {
        self.init(.stream(body), contentLength: contentLength, isRepeatable: isRepeatable)
    }

    /// A stream that a blocking closure writes, on a green thread; as the async form. The closure's own style selects the form:
    /// one that awaits is async.
    public init(
        contentLength: Int? = nil, isRepeatable: Bool = false,
        streaming body: @escaping @Sendable (FetchBodyWriter) throws -> Void
    ) {
        self.init(
            .stream { writer in try await blocking(name: "upload") { try body(writer) } }, contentLength: contentLength,
            isRepeatable: isRepeatable)
    }

    /// The pieces of a sequence, a request's body say, each as it comes.
    public init<Pieces: AsyncSequence & Sendable>(_ pieces: Pieces, contentLength: Int? = nil) where Pieces.Element == [UInt8] {
        self.init(
            contentLength: contentLength,
            streaming: { writer in
                for try await piece in pieces { try await writer.write(piece) }
            })
    }
}
