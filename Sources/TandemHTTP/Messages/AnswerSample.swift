internal import HTTPTypes
internal import Tandem

/// A request whose answer is kept, to be compared with that of another handler. A `ShadowSample`, which the messages do not know.
protocol AnswerSample: AnyObject, Sendable {
    /// Begins the sample, before the handler runs. Returns the request for the handler.
    func begin(_ request: Request) -> Request
    /// Keeps the handler's answer, and returns it.
    func keep(_ response: Response) -> Response
    /// Keeps the error that the handler threw.
    func keep(_ error: any Error)
}

/// The bytes that a stream writes, up to a limit. Used on one hub.
final class KeptStream {
    private let limit: Int
    private(set) var bytes: [UInt8] = []
    /// Whether the stream has written more than the limit. Then `bytes` is empty.
    private(set) var isTooLong = false
    /// Whether the stream has ended.
    private(set) var hasEnded = false
    /// The error with which the stream ended.
    private(set) var error: (any Error)?
    /// Called when the stream becomes too long.
    private let overflows: () -> Void

    init(limit: Int, overflows: @escaping () -> Void) {
        self.limit = limit
        self.overflows = overflows
    }

    func add(_ bytes: [UInt8]) {
        guard !isTooLong else { return }
        guard self.bytes.count + bytes.count <= limit else {
            isTooLong = true
            self.bytes = []
            return overflows()
        }
        self.bytes += bytes
    }

    func end(_ error: (any Error)? = nil) {
        hasEnded = true
        self.error = error
    }

    /// Drops the bytes and keeps no more, while the stream goes on.
    func stop() { (isTooLong, bytes) = (true, []) }
}

/// The destination of a shadow's stream. It takes no part in flow control, but lets others run like a connection.
final class ShadowSink: AnswerSink {
    private let hub: Hub
    private let kept: KeptStream

    init(_ kept: KeptStream, on hub: Hub) {
        self.kept = kept
        self.hub = hub
    }

    func put(_ bytes: [UInt8]) -> WriteStep {
        kept.add(bytes)
        return hub.charge(bytes: bytes.count) ? .givesWay : .goesOn
    }

    func flush() async {}

    @available(*, noasync)
    func flush(file: StaticString, line: UInt) {}

    func giveWay() async { await hub.giveWay() }

    @available(*, noasync)
    func giveWay(file: StaticString, line: UInt) { hub.giveWay() }
}

/// A copy of a request's body, made while a handler reads it. On one hub.
final class KeptBody: BodySource {
    private let original: RequestBody
    private let limit: Int
    private(set) var bytes: [UInt8] = []
    private(set) var isTooLong = false
    /// Whether the handler has read the body to its end.
    private(set) var isComplete = false

    init(of original: RequestBody, limit: Int) {
        self.original = original
        self.limit = limit
    }

    func nextPiece() throws -> BodyPiece {
        let piece = try original.openSource().nextPiece()
        switch piece {
        case .bytes(let bytes) where !isTooLong:
            isTooLong = self.bytes.count + bytes.count > limit
            if isTooLong { self.bytes = [] } else { self.bytes += bytes }
        case .end: isComplete = true
        default: break
        }
        return piece
    }

    /// Drops the bytes and keeps no more, while the handler goes on reading.
    func stop() { (isTooLong, bytes) = (true, []) }

    func waitForPiece(_ reason: BodyPiece) async throws { try await original.openSource().waitForPiece(reason) }

    @available(*, noasync)
    func waitForPiece(_ reason: BodyPiece, file: StaticString, line: UInt) throws {
        try original.openSource().waitForPiece(reason, file: file, line: line)
    }
}
