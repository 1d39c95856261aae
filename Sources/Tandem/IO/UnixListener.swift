/// A socket that listens on a path or an abstract name, unix(7). `SocketListener` has the rules for its use.
public final class UnixListener: SocketListener, @unchecked Sendable {
    /// The bound address.
    public let local: UnixAddress

    /// Listens on a path. Must be called on a hub. Replaces a socket file that a killed process left behind. `close` removes the file.
    ///
    /// Takes a lock on the directory (flock(2)) meanwhile, so that of two processes that start at the same time neither replaces
    /// the other's new socket; waits for it, and so holds the hub, for at most about 50 ms.
    ///
    /// - Parameters:
    ///   - path: The path of the socket file, 1 to 107 bytes. Its directory must exist.
    ///   - mode: The permissions of the file. A process that may write to it may connect.
    ///   - backlog: The maximum number of connections that wait to be accepted, listen(2).
    /// - Throws: `TandemError` `cannotListen` with the path and, if a system call failed, the errno: EADDRINUSE if another process
    ///   listens there; `hubStopped` on a thread without a hub.
    public init(path: String, mode: UInt16 = 0o660, backlog: Int = 1_024) throws(TandemError) {
        _ = try Hub.requireCurrent("UnixListener.init")
        let (fd, file) = try UnixBinding.listen(on: path, mode: mode, backlog: backlog)
        local = .path(path)
        try super.init(fd, file: file)
    }

    /// Listens on an abstract name, which has no file and disappears with the socket. Every process in the same network namespace may
    /// connect. Must be called on a hub.
    ///
    /// - Parameters:
    ///   - name: The name without the leading zero byte, at most 107 bytes.
    ///   - backlog: The maximum number of connections that wait to be accepted, listen(2).
    /// - Throws: `TandemError` `cannotListen` or `hubStopped`, as the form for a path.
    public init(abstractName name: String, backlog: Int = 1_024) throws(TandemError) {
        _ = try Hub.requireCurrent("UnixListener.init")
        let address = UnixAddress.abstract(name)
        let fd = try UnixBinding.listen(on: address, backlog: backlog)
        local = address
        try super.init(fd)
    }

    /// Accepts a connection; suspends until a client has connected.
    ///
    /// - Parameter deadline: The time at which the call gives up.
    /// - Returns: A stream that belongs to the listener's hub and that the caller owns.
    /// - Throws: `CancellationError`, or `TandemError` `timedOut`, `closed`, `hubStopped`, `wrongHub`, or `systemCall` with the errno of
    ///   accept4(2). With EMFILE or ENFILE, no descriptor is free and the client waits in the backlog: call again when a stream was
    ///   closed, or after a while.
    public func accept(deadline: Deadline = .never) async throws -> UnixStream {
        let (descriptor, peer) = try await acceptDescriptor("UnixListener.accept", deadline)
        return UnixStream(descriptor, peer: UnixAddress(peer))
    }

    /// Accepts a connection; parks the green thread until a client has connected. Otherwise the same as the async form. Also throws
    /// `TandemError` `notOnGreenThread` or `wrongTask`.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public func accept(
        deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line
    ) throws -> UnixStream {
        let (descriptor, peer) = try acceptDescriptor("UnixListener.accept", deadline, file, line)
        return UnixStream(descriptor, peer: UnixAddress(peer))
    }
}
