internal import HTTPTypes
internal import HTTPWire
internal import Tandem

// @unchecked: used on the hub of its connection only; the Descriptor underneath checks it.
/// Writes a streamed body. Each write goes out at once, and waits while the client takes no more.
///
/// Belongs to the connection's hub; valid until the closure that got it returns.
public final class ResponseWriter: @unchecked Sendable {
    private let connection: Connection
    private let framing: ResponseFraming
    private var left: Int?
    private var isOver = false

    init(connection: Connection, framing: ResponseFraming) {
        self.connection = connection
        self.framing = framing
        left = if case .length(let length) = framing { length } else { nil }
    }

    /// Whether the server stops, and a way to wait for that: for streams that have no end of their own.
    public var draining: Draining { connection.server.draining }

    /// Sends these bytes. Throws `CancellationError`, `TandemError` when the client has gone or takes too long, or
    /// `HTTPError` 500 for more bytes than were announced. No bytes do nothing.
    public func write(_ bytes: [UInt8]) async throws {
        try append(bytes)
        try await connection.flush()
    }

    /// Sends these bytes; parks the green thread while the client takes no more. Throws as the async form, and
    /// `TandemError` `notOnGreenThread`.
    @available(*, noasync)
    public func write(_ bytes: [UInt8], file: StaticString = #fileID, line: UInt = #line) throws {
        try append(bytes)
        try connection.flush(file: file, line: line)
    }

    private func append(_ bytes: [UInt8]) throws {
        guard !isOver else {
            throw TandemError(.closed, "this answer has ended: a ResponseWriter is valid until the closure that got it returns")
        }
        guard !bytes.isEmpty else { return }
        if let left {
            guard bytes.count <= left else {
                throw HTTPError(.internalServerError, "the body is longer than its announced length")
            }
            self.left = left - bytes.count
        }
        switch framing {
        // HEAD: the head has said it all.
        case .none: return
        case .chunked: connection.withOutput { ResponseSerializer.writeChunk(bytes.span, into: &$0) }
        case .length, .untilClose: connection.append(bytes)
        }
    }

    /// Whether everything that was announced has been written; then the end has been too.
    func finish() throws -> Bool {
        isOver = true
        if framing == .chunked { try connection.withOutput { output in try ResponseSerializer.writeLastChunk(into: &output) } }
        return left ?? 0 == 0
    }
}
