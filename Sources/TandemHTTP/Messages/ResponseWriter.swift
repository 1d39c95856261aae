internal import HTTPTypes
internal import Tandem

/// The destination of a streamed answer: a connection or memory. On one hub.
protocol AnswerSink: AnyObject {
    /// Accepts bytes of the body, without waiting. Returns what the writer has to do before it writes more.
    func put(_ bytes: [UInt8]) throws -> WriteStep
    /// Sends the accepted bytes, and before them the head of the answer.
    func flush() async throws
    /// Sends the accepted bytes, as the async form; parks the green thread while the client takes no more.
    @available(*, noasync)
    func flush(file: StaticString, line: UInt) throws
    /// Lets other jobs run.
    func giveWay() async
    /// Parks the green thread to let other jobs run.
    @available(*, noasync)
    func giveWay(file: StaticString, line: UInt)
}

/// The next action of a writer after the sink has accepted a piece.
enum WriteStep {
    case goesOn
    /// The output holds so much that the writer has to flush it first.
    case flushes
    /// The caller has written so much without waiting that it must let other jobs run first.
    case givesWay
}

// @unchecked: used on the hub of its connection only; the Descriptor underneath checks that.
/// The writer of a streamed body.
///
/// The server sends the head of the answer with the first bytes. It sends written bytes when 16 KiB have gathered, or at the
/// end of the hub's turn, which comes when this code waits for anything. `flush` sends them at once.
///
/// Use a writer only on the connection's hub, and only until the closure that got it returns.
public final class ResponseWriter: @unchecked Sendable {
    /// Whether the server drains, and a way to wait for that, for streams that do not end by themselves.
    public let draining: Draining
    private var sink: (any AnswerSink)?
    /// The number of bytes that were announced and have not been written; nil when no length was announced.
    private var left: Int?
    /// Gets a copy of what is written; nil for none.
    var kept: KeptStream?

    init(_ sink: any AnswerSink, contentLength: Int?, draining: Draining) {
        self.sink = sink
        left = contentLength
        self.draining = draining
    }

    /// Writes these bytes; suspends while the client takes no more. Does nothing for an empty array.
    ///
    /// Throws `CancellationError`; `TandemError` if the client has gone or takes too long (`timedOut`), or the answer has ended
    /// (`closed`); `HTTPError` 500 for more bytes than were announced. It also throws if earlier bytes could not be sent.
    public func write(_ bytes: [UInt8]) async throws {
        let sink = try sinkTaking(bytes)
        switch try sink.put(bytes) {
        case .goesOn: return
        case .flushes: try await sink.flush()
        case .givesWay: await sink.giveWay()
        }
    }

    /// Writes these bytes; parks the green thread while the client takes no more. Throws as the async form, and
    /// `TandemError` `notOnGreenThread`.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public func write(_ bytes: [UInt8], file: StaticString = #fileID, line: UInt = #line) throws {
        let sink = try sinkTaking(bytes)
        switch try sink.put(bytes) {
        case .goesOn: return
        case .flushes: try sink.flush(file: file, line: line)
        case .givesWay: sink.giveWay(file: file, line: line)
        }
    }

    /// Sends all written bytes at once, and before them the head of the answer if it has not been sent. For events that must
    /// not wait for the next one, and for a head that must not wait for the body. Throws as `write`.
    public func flush() async throws { try await open().flush() }

    /// Sends all written bytes at once, as the async form; parks the green thread while the client takes no more. Throws as the
    /// async form, and `TandemError` `notOnGreenThread`.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public func flush(file: StaticString = #fileID, line: UInt = #line) throws { try open().flush(file: file, line: line) }

    /// Ends the body: nothing can be written any more. Throws `HTTPError` 500 when it is shorter than announced.
    func end() throws(HTTPError) {
        sink = nil
        guard left ?? 0 == 0 else { throw HTTPError(.internalServerError, "the body is shorter than its announced length") }
    }

    private func open() throws(TandemError) -> any AnswerSink {
        if let sink { return sink }
        throw TandemError(.closed, "this answer has ended: a ResponseWriter is valid until the closure that got it returns")
    }

    private func sinkTaking(_ bytes: [UInt8]) throws -> any AnswerSink {
        let sink = try open()
        if let left {
            guard bytes.count <= left else {
                throw HTTPError(.internalServerError, "the body is longer than its announced length")
            }
            self.left = left - bytes.count
        }
        kept?.add(bytes)
        return sink
    }
}
