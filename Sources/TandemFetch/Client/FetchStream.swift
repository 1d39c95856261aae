public import HTTPTypes
internal import Tandem

// @unchecked: every call first moves to `hub`, and only that hub's thread uses `exchange`.
/// A response whose body is read as it arrives.
///
/// At most 256 KiB wait to be read. Then the client stops receiving, and the server has to wait, until the caller reads. Read
/// to the end, call `close()`, or drop the stream. Closing or dropping it before the whole response has arrived closes the
/// connection.
///
/// Any thread may hold the stream, and one caller at a time may read it. The reads happen on the hub that opened it.
public final class FetchStream: AsyncSequence, @unchecked Sendable {
    /// A piece of the body, never empty.
    public typealias Element = [UInt8]

    /// The status.
    public var status: HTTPResponse.Status { head.status }
    /// The fields. Each access creates them. They have no `Content-Encoding` and no `Content-Length` if the client decodes the
    /// body.
    public var headers: HTTPFields { head.fields }
    /// The URL of the response: that of the request, or the target of the last redirect.
    public let url: String

    private let head: FetchHead
    private let hub: Hub
    private let exchange: Exchange

    init(_ exchange: Exchange, _ answer: (head: FetchHead, url: String), on hub: Hub) {
        self.exchange = exchange
        self.hub = hub
        head = answer.head
        url = answer.url
    }

    deinit { FetchStream.abandon(exchange, on: hub) }

    /// The length of the body in bytes; nil if it is not known before the end, as for a body in chunks or one that the client
    /// decodes.
    public var contentLength: Int? { head.bodyLength }

    /// The value of a field; nil without that field. The values of several lines are joined with commas. This does not create
    /// `headers`.
    public subscript(name: HTTPField.Name) -> String? { head[name] }

    /// Returns the bytes that have arrived since the last call, or nil at the end of the body. Suspends until there are any.
    ///
    /// - Throws: `FetchError`, for example `busy` if another task or green thread is waiting here; `CancellationError`, which
    ///   closes the stream.
    public func read() async throws -> [UInt8]? {
        if hub.isCurrent, hub.mustGiveWay { await hub.giveWay() }
        guard hub.isCurrent else { return try await run(on: hub) { try await self.read() } }
        let piece = try await exchange.run { try $0.piece() }
        hub.charge(bytes: piece?.count ?? 0)
        return piece
    }

    /// Returns the bytes that have arrived since the last call, or nil at the end of the body. Parks the green thread until
    /// there are any. Throws as the async form, and `TandemError` `notOnGreenThread`.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public func read(file: StaticString = #fileID, line: UInt = #line) throws -> [UInt8]? {
        guard hub.isCurrent, GreenThreadIdentity.current != nil else {
            return try awaiting(file: file, line: line) { try await self.read() }
        }
        if hub.mustGiveWay { hub.giveWay() }
        let piece = try exchange.run(file, line) { try $0.piece() }
        hub.charge(bytes: piece?.count ?? 0)
        return piece
    }

    /// Reads the body to its end, and calls `body` with each piece.
    ///
    ///     Response(streaming: { writer in try await upstream.forEachPiece { try await writer.write($0) } })
    ///
    /// Closes the stream if `body` throws. Throws the errors of `read()` and `body`.
    public func forEachPiece(_ body: ([UInt8]) async throws -> Void) async throws {
        defer { close() }
        while let piece = try await read() { try await body(piece) }
    }

    /// Reads the body to its end, and calls `body` with each piece. Parks the green thread while it waits. Otherwise as the
    /// async form.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public func forEachPiece(
        file: StaticString = #fileID, line: UInt = #line, _ body: ([UInt8]) throws -> Void
    ) throws {
        defer { close() }
        while let piece = try read(file: file, line: line) { try body(piece) }
    }

    /// Closes the stream, from any thread. Closes the connection too, unless the whole response has arrived. A waiting reader
    /// gets the bytes that have arrived, then the error `closed`.
    public func close() { FetchStream.abandon(exchange, on: hub) }

    /// The number of bytes that have arrived and wait to be read. Read it only on the hub's thread.
    package var buffered: Int { exchange.buffered }

    private static func abandon(_ exchange: Exchange, on hub: Hub) {
        if hub.isCurrent { return exchange.abandon() }
        // From here on only the hub uses the exchange. A hub that has stopped has already given up its exchanges.
        nonisolated(unsafe) let exchange = exchange
        hub.spawn(name: "close a fetch") { exchange.abandon() }
    }

    /// Returns an iterator over the pieces of the body. The pieces can be read only once.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(stream: self) }

    /// An iterator over the pieces of the body.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let stream: FetchStream

        /// Returns the next piece, or nil at the end, as `FetchStream.read()`.
        public mutating func next() async throws -> [UInt8]? { try await stream.read() }
    }
}
