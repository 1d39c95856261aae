internal import Glibc

/// A connection over a unix socket, unix(7). `ByteStream` has its calls and the rules for its use.
public final class UnixStream: SocketStream, @unchecked Sendable {
    /// The address of this end.
    public let local: UnixAddress
    /// The address of the other end.
    public let peer: UnixAddress

    /// Takes ownership of a connected descriptor.
    init(_ descriptor: Descriptor, peer: UnixAddress) {
        self.peer = peer
        local = UnixAddress(SocketAddress(localOf: descriptor.fd))
        super.init(descriptor)
    }

    /// Connects to a unix socket; suspends while the listener's backlog is full.
    ///
    /// - Parameters:
    ///   - address: The path or abstract name of the listening socket.
    ///   - deadline: The time at which the call gives up.
    /// - Returns: A stream that belongs to the caller's hub and that the caller owns.
    /// - Throws: `CancellationError`, or `TandemError`: `cannotConnect` with the address and the errno, such as ENOENT or ECONNREFUSED;
    ///   `timedOut`; `invalidArgument` for an address that is too long or empty; `hubStopped` on a thread without a hub.
    public static func connect(to address: UnixAddress, deadline: Deadline = .never) async throws -> UnixStream {
        _ = try Hub.requireCurrent("UnixStream.connect")
        let known = try address.socketAddress(or: .invalidArgument)
        let fd = known.makeStreamSocket()
        guard fd >= 0 else { throw failure(address, .systemCall("socket", errno)) }
        do {
            return UnixStream(try await Descriptor.connect(fd, to: known, deadline: deadline), peer: address)
        } catch let error as TandemError {
            throw failure(address, error)
        }
    }

    /// Connects to a unix socket; parks the green thread while the listener's backlog is full. Otherwise the same as the async
    /// form. Throws `TandemError` `notOnGreenThread` in place of `hubStopped`, or `wrongTask`.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public static func connect(
        to address: UnixAddress, deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line
    ) throws -> UnixStream {
        _ = try currentFiberOnHub("UnixStream.connect", file, line)
        return try awaiting(file: file, line: line) { try await connect(to: address, deadline: deadline) }
    }

    /// Connects to the unix socket with this path. Otherwise the same as `connect(to:deadline:)`.
    public static func connect(path: String, deadline: Deadline = .never) async throws -> UnixStream {
        try await connect(to: .path(path), deadline: deadline)
    }

    /// Connects to the unix socket with this path; the blocking form of `connect(to:deadline:)`.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public static func connect(
        path: String, deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line
    ) throws -> UnixStream {
        try connect(to: .path(path), deadline: deadline, file: file, line: line)
    }

    private static func failure(_ address: UnixAddress, _ error: TandemError) -> TandemError {
        switch error.code {
        case .timedOut:
            TandemError(.timedOut, "the deadline passed while connecting to \(address): \(error.message)", errno: error.errno)
        case .systemCall: TandemError(.cannotConnect, "cannot connect to \(address): \(error.message)", errno: error.errno)
        default: error
        }
    }
}
