internal import Glibc
internal import HTTPTypes
internal import HTTPWire
internal import Tandem
internal import TandemTLS

/// The socket of one connection, plain or under TLS, with its unused input and its unsent output. Used only on its hub.
///
/// A wire borrows a buffer only while bytes wait in it. It parses input in the hub's scratch memory, and keeps only the bytes
/// that were not used.
final class Wire {
    /// The outcome of a read that does not wait.
    enum Arrival<Value> {
        case value(Value)
        /// Nothing more has arrived yet.
        case nothing
        /// The peer has ended its side.
        case end
    }

    /// The least number of input bytes for which a buffer is borrowed. Less input is kept in an array of its own size.
    private static let leastForBuffer = 256

    /// The socket, on which the connection waits and which reports the peer's state.
    let descriptor: Descriptor
    /// TLS between the socket and these bytes; nil without TLS. Optional, so that plain HTTP needs no allocation and no reference
    /// counting for it.
    @exclusivity(unchecked) private(set) var session: TLSSession?
    private let buffers: BufferPool
    @exclusivity(unchecked) private var input: [UInt8] = []
    @exclusivity(unchecked) private var inputStart = 0
    @exclusivity(unchecked) private var output: [UInt8] = []
    @exclusivity(unchecked) private var outputStart = 0
    /// The number of bytes put into the output since the connection began.
    @exclusivity(unchecked) private(set) var bytesPut = 0
    /// Whether the current answer, or the next, is the last on this connection.
    @exclusivity(unchecked) var mustClose = false
    /// Whether `close` must reset the connection, so that its end does not look like the end of the current answer.
    @exclusivity(unchecked) var mustReset = false
    /// The reason why the client can no longer be reached: an error of the transport, or that the client takes nothing.
    @exclusivity(unchecked) private(set) var failure: TandemError?
    /// Whether the output is sent at the end of the hub's turn: see `ServingContext.flushLater`.
    @exclusivity(unchecked) var isFlushedLater = false

    init(_ descriptor: Descriptor, _ session: TLSSession?, _ buffers: BufferPool) {
        self.descriptor = descriptor
        self.session = session
        self.buffers = buffers
    }

    /// Continues without TLS, for a client that has sent plain HTTP to a TLS port.
    func dropTLS() {
        session?.release()
        session = nil
        (readDirection, writeDirection) = (.readable, .writable)
    }

    /// The direction to wait for before more can be read. TLS may have to write first.
    @exclusivity(unchecked) private(set) var readDirection = Descriptor.Direction.readable

    /// The direction to wait for before more can be written. TLS may have to read first.
    @exclusivity(unchecked) private var writeDirection = Descriptor.Direction.writable

    private func readAvailable(into memory: UnsafeMutableRawBufferPointer) throws(TandemError) -> Int? {
        do throws(TandemError) {
            if case .none = session { return try descriptor.readAvailable(into: memory) }
            let session = session!
            let got = try session.readAvailable(into: memory)
            if got == nil { readDirection = session.readWaitsFor }
            // The read may have completed the handshake message that the output waits for.
            if writeDirection == .readable { flushInBackground() }
            return got
        } catch {
            failure = error
            throw error
        }
    }

    private func writeAvailable(_ bytes: UnsafeRawBufferPointer) throws(TandemError) -> Int? {
        do throws(TandemError) {
            if case .none = session { return try descriptor.writeAvailable(bytes) }
            let session = session!
            let put = try session.writeAvailable(bytes)
            writeDirection = put == nil ? session.writeWaitsFor : .writable
            return put
        } catch {
            failure = error
            throw error
        }
    }

    // MARK: Input

    /// Whether there are bytes that have arrived and have not been used.
    var hasInput: Bool { inputStart < input.count }

    /// Returns the next head if all of it has arrived. Does not wait.
    func nextHead(_ parser: inout RequestHeadParser, reusing spare: inout RequestHead?) throws -> Arrival<RequestHead> {
        // Pipelined bytes are kept, so at most one buffer is read.
        try next(upTo: BufferPool.bufferSize) { bytes in
            guard let head = try parser.parse(bytes, reusing: &spare) else { return (0, nil) }
            return (head.byteCount, head)
        }
    }

    /// Returns the next piece of a body, or nil as the value at its end. Does not wait.
    @inline(never)  // frame
    func nextPiece(_ decoder: inout BodyDecoder) throws -> Arrival<[UInt8]?> {
        try next(upTo: buffers.scratch.count) { bytes in
            let step = try decoder.decode(bytes)
            return switch step.outcome {
            case .end: (step.consumed, .some(nil))
            case .needMore: (step.consumed, nil)
            case .data(let range): (step.consumed, bytes.extracting(range).withUnsafeBytes { Array($0) })
            }
        }
    }

    @inline(__always)
    private func next<Value>(upTo most: Int, _ use: (RawSpan) throws -> (used: Int, value: Value?)) throws -> Arrival<Value> {
        while true {
            if hasInput {
                let (used, value) = try input.withUnsafeBytes { [inputStart] in
                    try use(UnsafeRawBufferPointer(rebasing: $0[inputStart...]).bytes)
                }
                inputStart += used
                if !hasInput { releaseInput() }
                if let value { return .value(value) }
            }
            let scratch = UnsafeMutableRawBufferPointer(rebasing: buffers.scratch[..<most])
            guard let got = try readAvailable(into: scratch) else { return .nothing }
            guard got > 0 else { return .end }
            if hasInput {
                keep(buffers.scratch[..<got])
            } else {
                let (used, value) = try use(UnsafeRawBufferPointer(rebasing: buffers.scratch[..<got]).bytes)
                if used < got { keep(buffers.scratch[used..<got]) }
                if let value { return .value(value) }
            }
        }
    }

    private func keep(_ bytes: Slice<UnsafeMutableRawBufferPointer>) {
        // A few bytes, such as the beginning of a slow head, get an array of their own size.
        if input.capacity == 0, bytes.count >= Wire.leastForBuffer { input = buffers.lend() }
        if inputStart > 0 {
            input.removeFirst(inputStart)
            inputStart = 0
        }
        input.append(contentsOf: bytes)
    }

    private func releaseInput() {
        buffers.takeBack(&input)
        inputStart = 0
    }

    // MARK: Output

    /// The number of bytes that wait to be sent.
    var unsent: Int { output.count - outputStart }

    /// Puts these bytes into the output.
    func append(_ bytes: [UInt8]) {
        borrowOutput()
        output.append(contentsOf: bytes)
        bytesPut += bytes.count
    }

    /// Puts the bytes that `body` writes, at most `room`, into the output.
    func append<Result, Failure: Error>(
        atMost room: Int, _ body: (inout OutputSpan<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        borrowOutput()
        let before = output.count
        var result: Result?
        try output.append(addingCapacity: room) { span throws(Failure) in result = try body(&span) }
        bytesPut += output.count - before
        return result!
    }

    /// The framing of an answer, and the values for its connection fields.
    struct Framing {
        var framing: ResponseFraming
        var version: HTTPVersion
        /// Whether the request was HEAD.
        var isHead: Bool
        /// The idle timeout in seconds, for a client that asks for keep-alive; otherwise nil.
        var idleSeconds: Int?
        var date: HTTPDate
    }

    /// Puts the head of an answer into the output, followed by `body` if the answer may have one. Returns how the body is framed.
    ///
    /// - Parameter sends: Whether to send the output now. If the output is empty and the answer fits, the answer is written
    ///   into the hub's `outgoing` memory and sent from there, and only the bytes that the socket did not take are copied. If
    ///   sending fails, the next flush throws.
    func put(
        _ status: HTTPResponse.Status, _ fields: EncodedFields, _ body: [UInt8], _ framing: Framing, sends: Bool
    ) throws(HTTPSerializeError) -> ResponseFraming {
        let room = ResponseSerializer.room(status, fields) + body.count
        guard sends, unsent == 0, room <= buffers.outgoing.count else {
            let written = try append(atMost: room) { output throws(HTTPSerializeError) in
                try write(status, fields, body, framing, into: &output)
            }
            if sends { _ = try? flushAvailable() }
            return written
        }
        let memory = buffers.outgoing.assumingMemoryBound(to: UInt8.self)
        var output = OutputSpan(buffer: memory, initializedCount: 0)
        let written = try write(status, fields, body, framing, into: &output)
        send(memory, output.finalize(for: memory))
        return written
    }

    @inline(__always)
    private func write(
        _ status: HTTPResponse.Status, _ fields: EncodedFields, _ body: [UInt8], _ framing: Framing,
        into output: inout OutputSpan<UInt8>
    ) throws(HTTPSerializeError) -> ResponseFraming {
        let written = try ResponseSerializer.writeHead(
            status: status, fields: fields, framing: framing.framing, version: framing.version, isHead: framing.isHead,
            keepAlive: !mustClose, idleSeconds: framing.idleSeconds, date: framing.date, into: &output)
        if written != .none { output.append(body) }
        return written
    }

    /// Sends as many of these bytes as the socket takes, and keeps the rest in the output.
    private func send(_ memory: UnsafeMutableBufferPointer<UInt8>, _ count: Int) {
        bytesPut += count
        let bytes = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(memory)[..<count])
        let sent = (try? writeAvailable(bytes)) ?? 0
        guard sent < count else { return }
        borrowOutput()
        output.append(contentsOf: bytes[sent...])
    }

    private func borrowOutput() {
        if output.capacity == 0 { output = buffers.lend() }
    }

    /// Sends as much of the output as the transport takes. Returns whether that was all. A failure persists: the next call
    /// throws too.
    @inline(never)  // frame
    func flushAvailable() throws(TandemError) -> Bool {
        while outputStart < output.count {
            let sent = try output.withUnsafeBufferPointer { [outputStart] bytes throws(TandemError) in
                try writeAvailable(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(bytes)[outputStart...]))
            }
            guard let sent else { return false }
            outputStart += sent
        }
        releaseOutput()
        return true
    }

    /// Sends the output as fast as the client takes it, without a task that waits. A failure persists, and the next flush
    /// throws it.
    ///
    /// In the middle of a handshake message, TLS has to read the rest before it can write. The next read or flush then sends the
    /// output.
    @inline(never)  // frame
    func flushInBackground() {
        guard (try? flushAvailable()) == false, writeDirection == .writable else { return }
        descriptor.whenWritable { [weak self] in self?.flushInBackground() }
    }

    /// Sends all of the output. Throws `CancellationError`, or `TandemError` when the client has gone or takes nothing for
    /// `timeout` (`timedOut`).
    func flush(timeout: Duration) async throws {
        while try !flushAvailable() {
            let before = descriptor.unacknowledged
            do {
                try await descriptor.wait(for: writeDirection, deadline: .after(timeout))
            } catch let error as TandemError where error.code == .timedOut {
                try expectProgress(since: before, timeout)
            }
        }
    }

    /// Sends all of the output; parks the green thread. Throws as the async form.
    @available(*, noasync)
    func flush(timeout: Duration, file: StaticString, line: UInt) throws {
        while try !flushAvailable() {
            let before = descriptor.unacknowledged
            do {
                try descriptor.wait(for: writeDirection, deadline: .after(timeout), file: file, line: line)
            } catch let error as TandemError where error.code == .timedOut {
                try expectProgress(since: before, timeout)
            }
        }
    }

    /// Throws `timedOut` unless the client has acknowledged bytes since there were `before` unacknowledged ones. A slow client
    /// may take bytes, but too few for the kernel to accept more.
    private func expectProgress(since before: Int?, _ timeout: Duration) throws(TandemError) {
        if let before, let now = descriptor.unacknowledged, now < before { return }
        let error = TandemError(.timedOut, "the client took nothing of the answer for \(timeout)")
        failure = error
        throw error
    }

    private func releaseOutput() {
        buffers.takeBack(&output)
        outputStart = 0
    }

    // MARK: Ending

    /// Ends the output: sends "close notify" under TLS, and FIN. The peer may still send. Does not wait.
    func endOutput() {
        session?.sendCloseNotify()
        shutdown(descriptor.fd, CInt(SHUT_WR))
    }

    /// Reads and drops input, at most one scratch buffer. Returns the number of bytes, nil if no bytes have arrived, or 0 at
    /// the end.
    func discardAvailable() throws(TandemError) -> Int? { try descriptor.readAvailable(into: buffers.scratch) }

    /// Closes the connection and gives its buffers back. Does not wait.
    ///
    /// Resets the connection if part of an answer is unsent. The client then notices the failure, and the kernel keeps no bytes
    /// for a client that does not read.
    func close() {
        if mustReset || unsent > 0 {
            var now = linger(l_onoff: 1, l_linger: 0)
            setsockopt(descriptor.fd, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
        } else {
            session?.sendCloseNotify()
        }
        session?.release()
        descriptor.close()
        releaseOutput()
        releaseInput()
    }
}

extension OutputSpan<UInt8> {
    /// Appends all of these bytes, for which there must be room.
    mutating func append(_ bytes: [UInt8]) {
        precondition(bytes.count <= freeCapacity)
        withUnsafeMutableBufferPointer { buffer, initialized in
            _ = UnsafeMutableBufferPointer(rebasing: buffer[initialized...]).update(fromContentsOf: bytes)
            initialized += bytes.count
        }
    }
}
