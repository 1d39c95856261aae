internal import HTTPTypes
internal import HTTPWire
internal import Tandem

/// The source of a request's body: a connection or memory. On one hub.
protocol BodySource: AnyObject {
    /// Takes the next piece, without waiting.
    func nextPiece() throws -> BodyPiece
    /// Suspends until it makes sense to call `nextPiece` again.
    func waitForPiece(_ reason: BodyPiece) async throws
    /// Parks the green thread until it makes sense to call `nextPiece` again.
    @available(*, noasync)
    func waitForPiece(_ reason: BodyPiece, file: StaticString, line: UInt) throws
}

/// One step of reading a body.
enum BodyPiece {
    case bytes([UInt8])
    case end
    /// The next piece has not arrived.
    case needsMore
    /// The output has to be flushed first: it holds the 100 Continue that tells the client to send the body.
    case needsFlush
    /// The caller has read so much without waiting that it must let other jobs run first.
    case givesWay
}

// @unchecked: used on the hub of its connection only; the Descriptor underneath checks that.
/// The body of a request, which a handler reads in pieces as they arrive, in either style. A handler that does not read makes
/// the client wait.
///
/// The first read tells a client that has sent `Expect: 100-continue` to send the body. Use the body only on the connection's
/// hub. It ends when the handler, or its streamed answer, returns: from then on a read throws `TandemError` `closed`.
public final class RequestBody: AsyncSequence, @unchecked Sendable {
    /// A piece of the body, as it arrived.
    public typealias Element = [UInt8]

    /// The length in bytes that the client announced, or nil for a chunked body.
    public let contentLength: Int?
    @exclusivity(unchecked) private var source: (any BodySource)?
    @exclusivity(unchecked) private var isReading = false

    /// Creates a body that reads from `source` until `end`.
    init(contentLength: Int?, source: any BodySource) {
        self.contentLength = contentLength
        self.source = source
    }

    /// Creates a body in memory.
    init(_ bytes: [UInt8]) {
        contentLength = bytes.count
        source = MemoryBody(bytes)
    }

    /// Ends the body with its request.
    func end() { source = nil }

    // MARK: Reading

    /// Returns the next piece, or nil at the end. Throws `HTTPError` (400, 408, 413), `CancellationError`, or `TandemError` when
    /// the connection breaks, when another task reads (`descriptorBusy`), and when the request is over (`closed`).
    public func read() async throws -> [UInt8]? {
        let source = try begin()
        defer { isReading = false }
        while true {
            switch try source.nextPiece() {
            case .bytes(let bytes): return bytes
            case .end: return nil
            case let reason: try await source.waitForPiece(reason)
            }
        }
    }

    /// Returns the next piece, or nil at the end; parks the green thread. Throws as the async form, and `TandemError`
    /// `notOnGreenThread`.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public func read(file: StaticString = #fileID, line: UInt = #line) throws -> [UInt8]? {
        let source = try begin()
        defer { isReading = false }
        while true {
            switch try source.nextPiece() {
            case .bytes(let bytes): return bytes
            case .end: return nil
            case let reason: try source.waitForPiece(reason, file: file, line: line)
            }
        }
    }

    /// Returns the whole body. Throws `HTTPError` 413 if the body is longer than `limit` bytes, and as `read`.
    public func collect(upTo limit: Int) async throws -> [UInt8] {
        var all = try startCollecting(limit)
        while let piece = try await read() { try all.add(piece, limit) }
        return all
    }

    /// Returns the whole body; parks the green thread. Throws `HTTPError` 413 if the body is longer than `limit` bytes, and as
    /// `read`.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public func collect(upTo limit: Int, file: StaticString = #fileID, line: UInt = #line) throws -> [UInt8] {
        var all = try startCollecting(limit)
        while let piece = try read(file: file, line: line) { try all.add(piece, limit) }
        return all
    }

    /// The source, for a body that copies this one. Throws `closed` when the request is over.
    func openSource() throws(TandemError) -> any BodySource {
        if let source { return source }
        throw TandemError(.closed, "this request is over: its body can be read until the handler, or its stream, returns")
    }

    private func begin() throws(TandemError) -> any BodySource {
        let source = try openSource()
        guard !isReading else {
            throw TandemError(.descriptorBusy, "another task already reads this request's body; one reader at a time")
        }
        isReading = true
        return source
    }

    private func startCollecting(_ limit: Int) throws(HTTPError) -> [UInt8] {
        var all: [UInt8] = []
        if let contentLength {
            guard contentLength <= limit else { throw .tooLarge(limit) }
            all.reserveCapacity(contentLength)
        }
        return all
    }

    // MARK: AsyncSequence

    /// Returns an iterator that consumes the pieces. A second iterator continues where the first stopped.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(body: self) }

    /// An iterator over the pieces, in order.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let body: RequestBody

        /// Returns the next piece, or nil at the end. Throws as `RequestBody.read()`.
        public mutating func next() async throws -> [UInt8]? { try await body.read() }
    }
}

/// The body of a request without a connection.
private final class MemoryBody: BodySource {
    private var bytes: [UInt8]

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    func nextPiece() -> BodyPiece {
        guard !bytes.isEmpty else { return .end }
        defer { bytes = [] }
        return .bytes(bytes)
    }

    func waitForPiece(_ reason: BodyPiece) async {}

    func waitForPiece(_ reason: BodyPiece, file: StaticString, line: UInt) {}
}

extension HTTPError {
    fileprivate static func tooLarge(_ limit: Int) -> HTTPError {
        HTTPError(.contentTooLarge, "the body is longer than the \(limit) bytes that this handler takes")
    }
}

extension [UInt8] {
    fileprivate mutating func add(_ piece: [UInt8], _ limit: Int) throws(HTTPError) {
        guard count + piece.count <= limit else { throw .tooLarge(limit) }
        append(contentsOf: piece)
    }
}
