public import HTTPTypes
internal import Tandem

// @unchecked: `exchange` is used on `hub`'s thread alone, where every call goes first.
/// An answer whose body is read as it arrives.
///
/// At most 256 KiB wait to be read: then the client stops reading, and the server has to wait, until the reader comes back. Read
/// to the end, `close()`, or drop the stream. Closing or dropping it before the whole answer has arrived closes the connection.
///
/// Any thread may hold it, one at a time may read it; reading happens on the hub that opened it.
public final class FetchStream: AsyncSequence, @unchecked Sendable {
    /// A piece of the body, never empty.
    public typealias Element = [UInt8]

    /// The status.
    public var status: HTTPResponse.Status { head.status }
    /// The fields, made each time they are asked for. Without `Content-Encoding` and `Content-Length` when the client decodes the
    /// body.
    public var headers: HTTPFields { head.fields }
    /// Where the answer came from: the request's URL, or that of the last redirect.
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

    /// How many bytes the body has; nil when that is not known before its end, as with chunks and with a body that is decoded.
    public var contentLength: Int? { head.bodyLength }

    /// The value of a field, without making all of them; nil when it is not there. Several lines of it are joined with commas.
    public subscript(name: HTTPField.Name) -> String? { head[name] }

    /// What has arrived since the last call, suspending until there is something; nil at the end of the body.
    ///
    /// Throws `FetchError`, `busy` among them when somebody else waits here; `CancellationError`, and then the stream is
    /// closed.
    public func read() async throws -> [UInt8]? {
        if hub.isCurrent, hub.mustGiveWay { await hub.giveWay() }
        guard hub.isCurrent else { return try await run(on: hub) { try await self.read() } }
        let piece = try await exchange.run { try $0.piece() }
        hub.charge(bytes: piece?.count ?? 0)
        return piece
    }

    /// What has arrived since the last call, parking until there is something; nil at the end of the body.
    ///
    /// Throws `FetchError`, `busy` among them when somebody else waits here; `CancellationError`, and then the stream is
    /// closed; `TandemError` `notOnGreenThread`.
    @available(*, noasync)
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
    /// Closes the stream when `body` throws. Throws what `read()` and `body` throw.
    public func forEachPiece(_ body: ([UInt8]) async throws -> Void) async throws {
        defer { close() }
        while let piece = try await read() { try await body(piece) }
    }

    /// Reads the body to its end, and calls `body` with each piece; parks the green thread while it waits. As the async form.
    @available(*, noasync)
    public func forEachPiece(
        file: StaticString = #fileID, line: UInt = #line, _ body: ([UInt8]) throws -> Void
    ) throws {
        defer { close() }
        while let piece = try read(file: file, line: line) { try body(piece) }
    }

    /// Gives up the unread rest, from any thread, and closes the connection unless the answer has arrived whole. A reader that
    /// waits gets what has arrived, then `closed`.
    public func close() { FetchStream.abandon(exchange, on: hub) }

    /// Bytes that have arrived and wait to be read. Only on the hub's thread.
    package var buffered: Int { exchange.buffered }

    private static func abandon(_ exchange: Exchange, on hub: Hub) {
        if hub.isCurrent { return exchange.abandon() }
        // Handed over: the hub alone uses it. A hub that has stopped has given everything up already.
        nonisolated(unsafe) let exchange = exchange
        hub.spawn(name: "close a fetch") { exchange.abandon() }
    }

    /// The pieces of the body, once.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(stream: self) }

    /// Reads a stream's pieces.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let stream: FetchStream

        /// As `FetchStream.read()`.
        public mutating func next() async throws -> [UInt8]? { try await stream.read() }
    }
}
