/// Reading bytes, lines and exact counts, in both styles.
extension ByteStream {
    // MARK: Bytes

    /// Reads at least one byte; suspends until one is available. Returns the number of bytes, or 0 at the end of the stream.
    ///
    /// - Parameters:
    ///   - memory: Where to write the bytes; not empty, valid until the call returns.
    ///   - deadline: The time at which the call gives up.
    /// - Throws: `CancellationError`, or `TandemError` `timedOut`, `closed`, `descriptorBusy`, `hubStopped`, `wrongHub`,
    ///   `invalidArgument` if `memory` is empty, or `systemCall`, such as ECONNRESET. Then nothing was read.
    public func read(into memory: UnsafeMutableRawBufferPointer, deadline: Deadline = .never) async throws -> Int {
        try await repeatUntilDone(.readable, "ByteStream.read", deadline) { try stepOfRead(into: memory) }
    }

    /// Reads at least one byte; parks the green thread until one is available. Otherwise the same as the async form. Also throws
    /// `TandemError` `notOnGreenThread` or `wrongTask`.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public func read(
        into memory: UnsafeMutableRawBufferPointer, deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line
    ) throws -> Int {
        try repeatUntilDone(.readable, "ByteStream.read", deadline, file, line) { try stepOfRead(into: memory) }
    }

    /// Reads at least one byte; suspends until one is available. Returns the bytes, or nil at the end of the stream.
    ///
    /// - Parameters:
    ///   - limit: The maximum number of bytes to return; at least 1.
    ///   - deadline: The time at which the call gives up.
    /// - Throws: The errors of `read(into:deadline:)`; `TandemError` `invalidArgument` if `limit` is less than 1.
    public func read(atMost limit: Int, deadline: Deadline = .never) async throws -> [UInt8]? {
        try await repeatUntilDone(.readable, "ByteStream.read", deadline) { try stepOfRead(atMost: limit) }
    }

    /// Reads at least one byte; parks the green thread until one is available. Otherwise the same as the async form. Also throws
    /// `TandemError` `notOnGreenThread` or `wrongTask`.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public func read(
        atMost limit: Int, deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line
    ) throws -> [UInt8]? {
        try repeatUntilDone(.readable, "ByteStream.read", deadline, file, line) { try stepOfRead(atMost: limit) }
    }

    // MARK: Lines and exact counts

    /// Reads a line; suspends until its end has arrived. Returns it without its end, which is LF or CRLF, or nil at the end of the
    /// stream. What follows the last line end is a line too.
    ///
    /// - Parameters:
    ///   - limit: The maximum length of the line in bytes, without its end. The stream buffers at most about twice as much.
    ///   - deadline: The time at which the call gives up; the bytes that have arrived stay in the stream.
    /// - Returns: The line, in which U+FFFD replaces invalid UTF-8.
    /// - Throws: `TandemError` `lineTooLong`, after which the line is still to be read: call again with a higher limit, or close the
    ///   stream. `invalidArgument` if `limit` is negative. Otherwise the errors of `read(into:deadline:)`.
    public func readLine(limit: Int = 65_536, deadline: Deadline = .never) async throws -> String? {
        try await repeatUntilDone(.readable, "ByteStream.readLine", deadline) { try stepOfLine(limit) }
    }

    /// Reads a line; parks the green thread until its end has arrived. Otherwise the same as the async form. Also throws
    /// `TandemError` `notOnGreenThread` or `wrongTask`.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public func readLine(
        limit: Int = 65_536, deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line
    ) throws -> String? {
        try repeatUntilDone(.readable, "ByteStream.readLine", deadline, file, line) { try stepOfLine(limit) }
    }

    /// Reads exactly `count` bytes; suspends until they have arrived.
    ///
    /// Memory grows with the bytes that arrive. Check a count that a peer has sent before you pass it on.
    ///
    /// - Parameters:
    ///   - count: The number of bytes.
    ///   - deadline: The time at which the call gives up; the bytes that have arrived stay in the stream.
    /// - Throws: `TandemError` `endedEarly` if the stream ends first; the bytes that arrived can still be read. `invalidArgument` if
    ///   `count` is negative. Otherwise the errors of `read(into:deadline:)`.
    public func readExactly(_ count: Int, deadline: Deadline = .never) async throws -> [UInt8] {
        try await repeatUntilDone(.readable, "ByteStream.readExactly", deadline) { try stepOfExactly(count) }
    }

    /// Reads exactly `count` bytes; parks the green thread until they have arrived. Otherwise the same as the async form. Also
    /// throws `TandemError` `notOnGreenThread` or `wrongTask`.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public func readExactly(
        _ count: Int, deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line
    ) throws -> [UInt8] {
        try repeatUntilDone(.readable, "ByteStream.readExactly", deadline, file, line) { try stepOfExactly(count) }
    }

    // MARK: Steps

    private func stepOfRead(into memory: UnsafeMutableRawBufferPointer) throws -> StreamStep<Int> {
        guard !memory.isEmpty else { throw TandemError(.invalidArgument, "ByteStream.read needs room for at least one byte") }
        if buffer.count > 0 { return .done(buffer.take(into: memory)) }
        guard let got = try receiveAvailable(into: memory) else { return .wait }
        hub.charge(bytes: got)
        return .done(got)
    }

    private func stepOfRead(atMost limit: Int) throws -> StreamStep<[UInt8]?> {
        guard limit > 0 else { throw TandemError(.invalidArgument, "ByteStream.read(atMost:) needs at least 1, not \(limit)") }
        return try stepOfBuffer(wanted: limit) { hasEnded in
            if buffer.count > 0 { return .some(buffer.take(min(limit, buffer.count))) }
            return hasEnded ? .some(nil) : nil
        }
    }

    private func stepOfLine(_ limit: Int) throws -> StreamStep<String?> {
        guard limit >= 0 else { throw TandemError(.invalidArgument, "the limit of a line is 0 or more, not \(limit)") }
        return try stepOfBuffer(wanted: 0) { try buffer.takeLine(limit: limit, hasEnded: $0) }
    }

    private func stepOfExactly(_ count: Int) throws -> StreamStep<[UInt8]> {
        guard count >= 0 else { throw TandemError(.invalidArgument, "ByteStream.readExactly needs 0 or more, not \(count)") }
        return try stepOfBuffer(wanted: count - buffer.count) { hasEnded in
            if buffer.count >= count { return buffer.take(count) }
            guard !hasEnded else {
                throw TandemError(.endedEarly, "the stream ended after \(buffer.count) of \(count) bytes")
            }
            return nil
        }
    }

    /// Takes something out of the buffer, or else fills it once.
    ///
    /// - Parameter take: Returns nil if it needs more bytes. With `hasEnded` there will be none, and it must not return nil.
    private func stepOfBuffer<Value>(
        wanted: Int, _ take: (_ hasEnded: Bool) throws -> Value?
    ) throws -> StreamStep<Value> {
        if let value = try take(false) { return .done(value) }
        guard let got = try buffer.fill(wanted: wanted, receiveAvailable) else { return .wait }
        hub.charge(bytes: got)
        return got > 0 ? .again : .done(try take(true)!)
    }
}
