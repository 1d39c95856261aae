internal import Synchronization

// @unchecked: the state belongs to the hub's thread. Every call checks that it runs there, except `close` and `deinit`, which hand
// the descriptor to the hub.
/// A stream over a socket: the part that `TCPStream` and `UnixStream` share. `ByteStream` has the rules for its use.
public class SocketStream: ByteStream, @unchecked Sendable {
    /// The hub that the stream belongs to.
    public let hub: Hub
    /// The bytes received and not yet read.
    public let buffer = StreamBuffer()
    private let descriptor: Descriptor
    /// Whether another owner, such as a TLS stream, has the descriptor now.
    private let isHandedOver = Atomic(false)

    /// Takes ownership of a connected descriptor.
    init(_ descriptor: Descriptor) {
        self.descriptor = descriptor
        hub = descriptor.hub
    }

    deinit { close() }

    /// Whether the stream was closed. Must be used on the hub's thread.
    public var isClosed: Bool {
        hub.preconditionOnThread("SocketStream.isClosed")
        return descriptor.isClosed || isHandedOver.load(ordering: .relaxed)
    }

    /// Hands the descriptor to a new owner, which must close it. Every later call on this stream throws `TandemError` `closed`, and
    /// `close` does nothing. The bytes in `buffer` stay there.
    ///
    /// - Throws: `TandemError` `closed`, `hubStopped`, `wrongHub`, or `descriptorBusy` if a call is in progress.
    package func handOver(_ call: StaticString) throws(TandemError) -> Descriptor {
        try checkIsUsable(call)
        guard !descriptor.isClosed else { throw TandemError(.closed, "\(call): the stream is closed") }
        for direction in [Descriptor.Direction.readable, .writable] {
            try buffer.begin(direction, call)
            buffer.end(direction)
        }
        guard !descriptor.isWaitedOn else {
            throw TandemError(.descriptorBusy, "\(call): another call waits for this stream")
        }
        isHandedOver.store(true, ordering: .relaxed)
        return descriptor
    }

    private func checkIsUsable(_ call: StaticString) throws(TandemError) {
        try hub.checkIsCurrent(call)
        guard !isHandedOver.load(ordering: .relaxed) else {
            throw TandemError(.closed, "\(call): TLS has taken this stream over: use the TLSStream")
        }
    }

    /// Receives what is available without waiting. Ignores `buffer`: applications call `read`.
    public func receiveAvailable(into memory: UnsafeMutableRawBufferPointer) throws -> Int? {
        try checkIsUsable("SocketStream.receiveAvailable")
        return try descriptor.readAvailable(into: memory)
    }

    /// Sends as many bytes as the kernel accepts without waiting.
    public func sendAvailable(_ bytes: UnsafeRawBufferPointer) throws -> Int? {
        try checkIsUsable("SocketStream.sendAvailable")
        return try descriptor.writeAvailable(bytes)
    }

    /// Ends this side's half of the connection, shutdown(2). Returns true.
    public func finishSending() throws -> Bool {
        try checkIsUsable("SocketStream.finishSending")
        try descriptor.finishWriting()
        return true
    }

    /// Suspends until the socket may have something to read, its end included, or room to write.
    public func wait(for direction: Descriptor.Direction, deadline: Deadline = .never) async throws {
        try checkIsUsable("SocketStream.wait")
        try await descriptor.wait(for: direction, deadline: deadline)
    }

    /// Parks the green thread until the socket may have something to read, its end included, or room to write.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public func wait(
        for direction: Descriptor.Direction, deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line
    ) throws {
        _ = try currentFiberOnHub("SocketStream.wait", file, line)
        try checkIsUsable("SocketStream.wait")
        try descriptor.wait(for: direction, deadline: deadline, file: file, line: line)
    }

    /// Closes the socket, close(2). Any thread.
    public func close() {
        guard !isHandedOver.load(ordering: .relaxed) else { return }
        if hub.isCurrent { buffer.removeAll() }
        descriptor.closeOnHub()
    }
}
