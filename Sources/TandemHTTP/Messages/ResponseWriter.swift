internal import HTTPTypes
internal import Tandem

/// The destination of a streamed answer: a connection or memory. On one hub.
protocol AnswerSink: AnyObject {
    /// Takes bytes of the body, without waiting. Returns what the writer has to do before it writes more.
    func put(_ bytes: [UInt8]) throws -> WriteStep
    /// Sends what has been taken, beginning with the head of the answer.
    func flush() async throws
    /// Sends what has been taken; parks the green thread while the client takes no more.
    @available(*, noasync)
    func flush(file: StaticString, line: UInt) throws
    /// Lets others run.
    func giveWay() async
    /// Parks the green thread to let others run.
    @available(*, noasync)
    func giveWay(file: StaticString, line: UInt)
}

/// The next action of a writer after the sink has taken a piece.
enum WriteStep {
    case goesOn
    /// The output holds so much that the writer has to flush it first.
    case flushes
    /// The caller has written for so long without waiting that others have to run first.
    case givesWay
}

// @unchecked: used on the hub of its connection only; the Descriptor underneath checks it.
/// The writer of a streamed body. The head of the answer is sent with the first bytes. Written bytes are sent at the end of
/// the hub's turn, which comes when this code waits for anything, or when 16 KiB have gathered. `flush` sends at once.
///
/// Belongs to the connection's hub; valid until the closure that got it returns.
public final class ResponseWriter: @unchecked Sendable {
    /// Whether the server stops, and a way to wait for that: for streams without an end of their own.
    public let draining: Draining
    private var sink: (any AnswerSink)?
    /// Bytes that were announced and not written yet; nil when no length was announced.
    private var left: Int?

    init(_ sink: any AnswerSink, contentLength: Int?, draining: Draining) {
        self.sink = sink
        left = contentLength
        self.draining = draining
    }

    /// Writes these bytes; suspends while the client takes no more. Does nothing for an empty array.
    ///
    /// Throws `CancellationError`, `TandemError` when the client has gone, takes too long (`timedOut`) or the answer has
    /// ended (`closed`), or `HTTPError` 500 for more bytes than were announced. A failure to send what was written earlier
    /// is thrown here.
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
    public func write(_ bytes: [UInt8], file: StaticString = #fileID, line: UInt = #line) throws {
        let sink = try sinkTaking(bytes)
        switch try sink.put(bytes) {
        case .goesOn: return
        case .flushes: try sink.flush(file: file, line: line)
        case .givesWay: sink.giveWay(file: file, line: line)
        }
    }

    /// Sends everything written so far at once, and the head of the answer if it has not been sent. For events that must not
    /// wait for the next one, and for a head that must not wait for the body. Throws as `write`.
    public func flush() async throws { try await open().flush() }

    /// Sends the head of the answer and all that was written, at once; parks the green thread while the client takes no
    /// more. Throws as the async form, and `TandemError` `notOnGreenThread`.
    @available(*, noasync)
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
        return sink
    }
}
