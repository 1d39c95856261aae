/// Writing and half-closing, in both styles.
extension ByteStream {
    /// Writes all bytes; suspends while the stream takes none.
    ///
    /// Returns when the kernel has the bytes, not when the peer has read them.
    ///
    /// - Parameters:
    ///   - bytes: The bytes.
    ///   - deadline: The time at which the call gives up.
    /// - Throws: `CancellationError`, or `TandemError` `timedOut`, `closed`, `descriptorBusy`, `hubStopped`, `wrongHub` or
    ///   `systemCall`, such as EPIPE or ECONNRESET if the peer is gone. Then some of the bytes may have been written, so the stream
    ///   is no longer of use to most protocols.
    public func write(_ bytes: [UInt8], deadline: Deadline = .never) async throws {
        var sent = 0
        try await repeatUntilDone(.writable, "ByteStream.write", deadline) {
            try bytes.withUnsafeBytes { try stepOfWrite($0, &sent) }
        }
    }

    /// Writes all bytes; parks the green thread while the stream takes none. Otherwise the same as the async form. Also throws
    /// `TandemError` `notOnGreenThread` or `wrongTask`.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public func write(
        _ bytes: [UInt8], deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line
    ) throws {
        try bytes.withUnsafeBytes { try write($0, deadline: deadline, file: file, line: line) }
    }

    /// Writes a text in UTF-8; suspends while the stream takes nothing. Otherwise the same as the form for bytes.
    public func write(_ text: String, deadline: Deadline = .never) async throws {
        try await write(Array(text.utf8), deadline: deadline)
    }

    /// Writes a text in UTF-8; parks the green thread while the stream takes nothing. Otherwise the same as the async form. Also
    /// throws `TandemError` `notOnGreenThread` or `wrongTask`.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public func write(_ text: String, deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line) throws {
        var text = text
        try text.withUTF8 { try write(UnsafeRawBufferPointer($0), deadline: deadline, file: file, line: line) }
    }

    /// Writes all bytes of memory that stays valid until the call returns. Otherwise the same as the form for an array.
    public func write(_ memory: UnsafeRawBufferPointer, deadline: Deadline = .never) async throws {
        var sent = 0
        try await repeatUntilDone(.writable, "ByteStream.write", deadline) { try stepOfWrite(memory, &sent) }
    }

    /// Writes all bytes of memory; parks the green thread while the stream takes none. Otherwise the same as the async form. Also
    /// throws `TandemError` `notOnGreenThread` or `wrongTask`.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public func write(
        _ memory: UnsafeRawBufferPointer, deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line
    ) throws {
        var sent = 0
        try repeatUntilDone(.writable, "ByteStream.write", deadline, file, line) { try stepOfWrite(memory, &sent) }
    }

    /// Ends this side's half of the stream: the peer reads the end after everything that was written, and may still send. Later
    /// writes throw `systemCall` with EPIPE.
    ///
    /// A plain socket never waits here (shutdown(2)); a stream with a protocol of its own may have something to send first.
    ///
    /// - Parameter deadline: The time at which the call gives up.
    /// - Throws: `CancellationError`, or `TandemError` `timedOut`, `closed`, `descriptorBusy`, `hubStopped`, `wrongHub` or
    ///   `systemCall`, such as ENOTCONN if the connection has ended.
    public func finishWriting(deadline: Deadline = .never) async throws {
        try await repeatUntilDone(.writable, "ByteStream.finishWriting", deadline) { try finishSending() ? .done(()) : .wait }
    }

    /// Ends this side's half of the stream; parks the green thread if it has to wait. Otherwise the same as the async form. Also
    /// throws `TandemError` `notOnGreenThread` or `wrongTask`.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public func finishWriting(deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line) throws {
        try repeatUntilDone(.writable, "ByteStream.finishWriting", deadline, file, line) {
            try finishSending() ? .done(()) : .wait
        }
    }

    /// Sends some of the bytes that follow the first `sent`, and counts them.
    private func stepOfWrite(_ bytes: UnsafeRawBufferPointer, _ sent: inout Int) throws -> StreamStep<Void> {
        guard sent < bytes.count else { return try flushSending() ? .done(()) : .wait }
        guard let put = try sendAvailable(UnsafeRawBufferPointer(rebasing: bytes[sent...])) else { return .wait }
        sent += put
        hub.charge(bytes: put)
        return .again
    }
}
