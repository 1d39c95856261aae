// @unchecked: the state belongs to the hub's thread. Every call checks that it runs there, except `close` and `deinit`, which hand
// the descriptor to the hub.
/// A stream over a socket: the part that `TCPStream` and `UnixStream` share. `ByteStream` has the rules for its use.
public class SocketStream: ByteStream, @unchecked Sendable {
    /// The hub that the stream belongs to.
    public let hub: Hub
    /// The bytes received and not yet read.
    public let buffer = StreamBuffer()
    private let descriptor: Descriptor

    /// Takes ownership of a connected descriptor.
    init(_ descriptor: Descriptor) {
        self.descriptor = descriptor
        hub = descriptor.hub
    }

    deinit { descriptor.closeOnHub() }

    /// Whether the stream was closed. Must be used on the hub's thread.
    public var isClosed: Bool {
        hub.preconditionOnThread("SocketStream.isClosed")
        return descriptor.isClosed
    }

    /// Receives what is available without waiting. Ignores `buffer`: applications call `read`.
    public func receiveAvailable(into memory: UnsafeMutableRawBufferPointer) throws -> Int? {
        try hub.checkIsCurrent("SocketStream.receiveAvailable")
        return try descriptor.readAvailable(into: memory)
    }

    /// Sends as many bytes as the kernel accepts without waiting.
    public func sendAvailable(_ bytes: UnsafeRawBufferPointer) throws -> Int? {
        try hub.checkIsCurrent("SocketStream.sendAvailable")
        return try descriptor.writeAvailable(bytes)
    }

    /// Ends this side's half of the connection, shutdown(2). Returns true.
    public func finishSending() throws -> Bool {
        try hub.checkIsCurrent("SocketStream.finishSending")
        try descriptor.finishWriting()
        return true
    }

    /// Suspends until the socket may have something to read, its end included, or room to write.
    public func wait(for direction: Descriptor.Direction, deadline: Deadline = .never) async throws {
        try hub.checkIsCurrent("SocketStream.wait")
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
        try hub.checkIsCurrent("SocketStream.wait")
        try descriptor.wait(for: direction, deadline: deadline, file: file, line: line)
    }

    /// Closes the socket, close(2). Any thread.
    public func close() {
        if hub.isCurrent { buffer.removeAll() }
        descriptor.closeOnHub()
    }
}
