internal import HTTPTypes
internal import HTTPWire
internal import Tandem

/// The status and the field lines of an answer.
struct AnswerHead {
    let status: HTTPResponse.Status
    let fields: EncodedFields
}

/// The body of an answer that a handler's code writes. Puts the head of the answer on the wire, then the written bytes.
/// One per streamed answer; used only on its hub.
final class AnswerStream: AnswerSink {
    private let head: AnswerHead
    private let code: ResponseStream
    private let length: Int?
    private let context: ServingContext
    private let hub: Hub
    private let wire: Wire
    // The exchange runs the stream, and outlives it.
    private unowned let exchange: Exchange
    /// The framing of the body; nil while the head has not been put.
    private var framing: ResponseFraming?
    /// Whether the writer has to let others run after it has flushed.
    private var givesWay = false

    /// - Parameter length: The length that was announced; nil for a body of any length.
    init(
        _ head: AnswerHead, _ code: ResponseStream, length: Int?, _ exchange: Exchange, _ wire: Wire, _ context: ServingContext
    ) {
        self.head = head
        self.code = code
        self.length = length
        self.exchange = exchange
        self.wire = wire
        self.context = context
        hub = context.hub
    }

    /// Whether the head of the answer has been put into the output: then there can be no other answer.
    var hasBegun: Bool { framing != nil }

    /// Whether the end of the connection marks the end of the body.
    var endsWithConnection: Bool { framing == .untilClose }

    /// Whether the code that writes it needs a green thread.
    var isBlocking: Bool {
        if case .blocking = code { true } else { false }
    }

    /// Calls the code that writes the body, and ends the body. Throws the error of that code, and `HTTPError` 500 for a body
    /// that is shorter than announced.
    func run(name: GreenThreadName, draining: Draining) async throws {
        let writer = ResponseWriter(self, contentLength: length, draining: draining)
        // If the handler's code has kept the writer, it cannot write any more.
        defer { _ = try? writer.end() }
        try await code.write(to: writer, name: name)
        try writer.end()
        if try putHead() == .chunked { wire.append(atMost: 5) { ResponseSerializer.writeLastChunk(into: &$0) } }
    }

    /// Puts the head of the answer into the output, once. Returns how the body is framed.
    private func putHead() throws -> ResponseFraming {
        if let framing { return framing }
        let framing = try exchange.writeHead(head, length.map { .length($0) } ?? .chunked)
        self.framing = framing
        return framing
    }

    // MARK: Writing

    func put(_ bytes: [UInt8]) throws -> WriteStep {
        guard !bytes.isEmpty else { return .goesOn }
        switch try putHead() {
        case .none: return .goesOn
        case .chunked:
            wire.append(atMost: bytes.count + ResponseSerializer.chunkRoom) {
                ResponseSerializer.writeChunk(bytes.span, into: &$0)
            }
        case .length, .untilClose: wire.append(bytes)
        }
        let isShareUsedUp = hub.charge(bytes: bytes.count)
        if wire.unsent >= BufferPool.bufferSize {
            givesWay = isShareUsedUp
            return .flushes
        }
        context.flushLater(wire)
        return isShareUsedUp ? .givesWay : .goesOn
    }

    func flush() async throws {
        _ = try putHead()
        try await wire.flush(timeout: context.settings.writeTimeout)
        if takeGivesWay() { await hub.giveWay() }
    }

    @available(*, noasync)
    func flush(file: StaticString, line: UInt) throws {
        _ = try putHead()
        try wire.flush(timeout: context.settings.writeTimeout, file: file, line: line)
        if takeGivesWay() { hub.giveWay() }
    }

    private func takeGivesWay() -> Bool {
        defer { givesWay = false }
        return givesWay
    }

    func giveWay() async { await hub.giveWay() }

    @available(*, noasync)
    func giveWay(file: StaticString, line: UInt) { hub.giveWay() }
}
