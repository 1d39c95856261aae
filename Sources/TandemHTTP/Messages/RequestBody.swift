internal import HTTPTypes
internal import HTTPWire
internal import Tandem

// @unchecked: used on the hub of its connection only; the Descriptor underneath checks it.
/// A request's body: pieces as they arrive, read in either style, at the pace of the reader.
///
/// A client that sends `Expect: 100-continue` is told to go on at the first read. Belongs to the connection's hub.
public final class RequestBody: AsyncSequence, @unchecked Sendable {
    /// A piece of the body, as it arrived.
    public typealias Element = [UInt8]

    let connection: Connection
    /// The bytes that the client announced, or nil for a chunked body.
    public let contentLength: Int?
    private let limit: Int
    private var decoder: BodyDecoder
    /// Bytes that have been read of it.
    private(set) var received = 0
    private var owesContinue: Bool
    private var isReading = false

    init(connection: Connection, head: RequestHead, limit: Int, limits: HTTPWireLimits) {
        self.connection = connection
        self.limit = limit
        contentLength = if case .length(let length) = head.framing { length } else { head.framing == .none ? 0 : nil }
        decoder = BodyDecoder(framing: head.framing, limits: limits)
        owesContinue = head.expectsContinue && !head.framing.isEmpty
    }

    /// Whether all of it has been read.
    var isComplete: Bool { decoder.isComplete || contentLength == 0 }

    /// Whether the client still waits to be told to send it.
    var isUnasked: Bool { owesContinue }

    /// Bytes that are announced and not read; nil when chunked.
    var remaining: Int? { contentLength.map { $0 - received } }

    // MARK: Reading

    /// The next piece, or nil at the end. Throws `HTTPError` (400, 408, 413), `CancellationError`, or `TandemError` when the
    /// connection breaks.
    public func read() async throws -> [UInt8]? {
        let asks = try begin()
        defer { isReading = false }
        if asks { try await connection.flush() }
        while true {
            switch try advance() {
            case .piece(let bytes): return bytes
            case .end: return nil
            case .wait:
                do {
                    try await connection.descriptor.wait(
                        for: connection.transport.readWaitsFor, deadline: connection.bodyDeadline)
                } catch { throw failure(error) }
            }
        }
    }

    /// The next piece, or nil at the end; parks the green thread. Throws as the async form, and `TandemError`
    /// `notOnGreenThread`.
    @available(*, noasync)
    public func read(file: StaticString = #fileID, line: UInt = #line) throws -> [UInt8]? {
        let asks = try begin()
        defer { isReading = false }
        if asks { try connection.flush(file: file, line: line) }
        while true {
            switch try advance() {
            case .piece(let bytes): return bytes
            case .end: return nil
            case .wait:
                do {
                    try connection.descriptor.wait(
                        for: connection.transport.readWaitsFor, deadline: connection.bodyDeadline, file: file, line: line)
                } catch { throw failure(error) }
            }
        }
    }

    /// All of it. Throws `HTTPError` 413 when it is longer than `limit` bytes, else as `read`.
    public func collect(upTo limit: Int) async throws -> [UInt8] {
        var all = try startCollecting(limit)
        while let piece = try await read() { try all.add(piece, limit) }
        return all
    }

    /// All of it; parks the green thread. Throws `HTTPError` 413 when it is longer than `limit` bytes, else as `read`.
    @available(*, noasync)
    public func collect(upTo limit: Int, file: StaticString = #fileID, line: UInt = #line) throws -> [UInt8] {
        var all = try startCollecting(limit)
        while let piece = try read(file: file, line: line) { try all.add(piece, limit) }
        return all
    }

    // MARK: One step, for both styles

    private enum Step {
        case piece([UInt8])
        case end, wait
    }

    /// Whether a "100 Continue" has been put into the output and wants to be flushed.
    private func begin() throws -> Bool {
        guard !isReading else {
            throw TandemError(.descriptorBusy, "somebody else already reads this request's body; one reader at a time")
        }
        isReading = true
        return ask()
    }

    /// Tells a client that waits to be told to send the body, unless its answer has begun. Returns whether something has
    /// been put into the output.
    @discardableResult
    func ask() -> Bool {
        guard owesContinue else { return false }
        owesContinue = false
        guard !connection.hasAnswered else { return false }
        connection.append(ResponseSerializer.continueResponse)
        return true
    }

    private func advance() throws -> Step {
        if isComplete { return .end }
        while true {
            let step: BodyStep
            let piece: [UInt8]
            do throws(HTTPParseError) {
                (step, piece) = try connection.decode(&decoder)
            } catch {
                connection.mustClose = true
                throw HTTPError(.init(code: error.status), error.reason)
            }
            switch step.outcome {
            case .end: return .end
            case .data:
                received += piece.count
                guard received <= limit else {
                    connection.mustClose = true
                    throw HTTPError(.contentTooLarge, "the body is longer than the \(limit) bytes that this server takes")
                }
                return .piece(piece)
            case .needMore:
                // A reset wakes the reader too: that the request is cancelled says more than ECONNRESET.
                try Task.checkCancellation()
                switch try connection.receive() {
                case .nothing: return .wait
                case .some: continue
                case .end:
                    connection.mustClose = true
                    throw HTTPError(.badRequest, "the client ended the connection in the middle of the body")
                }
            }
        }
    }

    /// What a reader is told of a wait that failed.
    private func failure(_ error: any Error) -> any Error {
        guard let error = error as? TandemError, error.code == .timedOut else { return error }
        connection.mustClose = true
        let timeout = connection.settings.configuration.bodyTimeout
        return HTTPError(.requestTimeout, "the body made no progress for \(timeout)")
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

    /// Iterates over the pieces. They are consumed: a second iteration goes on where the first stopped.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(body: self) }

    /// The pieces, in order.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let body: RequestBody

        /// The next piece, or nil at the end.
        public mutating func next() async throws -> [UInt8]? { try await body.read() }
    }
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
