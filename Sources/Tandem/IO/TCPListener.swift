internal import Glibc

/// A socket that listens on a TCP port. `SocketListener` has the rules for its use.
///
///     let listener = try TCPListener(host: "127.0.0.1", port: 7000)
///     while true {
///         let stream = try await listener.accept()
///         spawn { try serve(stream) }
///     }
public final class TCPListener: SocketListener, @unchecked Sendable {
    /// The bound address, with the port that the kernel has chosen if port 0 was requested.
    public let local: SocketEndpoint

    /// Listens on a port. Legal in both styles: it does not wait. Must be called on a hub.
    ///
    /// The socket is non-blocking, close-on-exec, and set to SO_REUSEADDR, so that a restart can bind while old connections are in
    /// TIME_WAIT. With an IPv6 address it accepts IPv6 clients only (IPV6_V6ONLY), whatever net.ipv6.bindv6only says.
    ///
    /// - Parameters:
    ///   - host: A numeric IPv4 or IPv6 address (without brackets), or "localhost", which is 127.0.0.1, the default: only this
    ///     machine can connect. "0.0.0.0" and "::" are every address of the machine in that family.
    ///   - port: The port. With 0 the kernel chooses one: see `local`.
    ///   - backlog: The maximum number of connections that wait to be accepted, listen(2). The kernel caps it at
    ///     net.core.somaxconn.
    ///   - sharingPort: Whether other sockets, of this process or of other processes of the same user, may listen on the port too
    ///     (SO_REUSEPORT); all of them must say so. The kernel then distributes the clients. For one listener per hub.
    /// - Throws: `TandemError` `cannotListen` with the address and, if a system call failed, the errno, such as EADDRINUSE;
    ///   `hubStopped` on a thread without a hub.
    public convenience init(
        host: String = "127.0.0.1", port: UInt16, backlog: Int = 1_024, sharingPort: Bool = false
    ) throws(TandemError) {
        let endpoint = try TCPBinding.endpoint(host: host, port: Int(port))
        try self.init(on: endpoint, backlog: backlog, sharingPort: sharingPort)
    }

    /// Listens on an address. Otherwise the same as the form for a host.
    public init(on endpoint: SocketEndpoint, backlog: Int = 1_024, sharingPort: Bool = false) throws(TandemError) {
        _ = try Hub.requireCurrent("TCPListener.init")
        let fd = try TCPBinding.listen(on: endpoint, backlog: backlog, sharingPort: sharingPort)
        local = SocketAddress(localOf: fd)?.endpoint ?? endpoint
        try super.init(fd)
    }

    /// Accepts a connection; suspends until a client has connected.
    ///
    /// - Parameter deadline: The time at which the call gives up.
    /// - Returns: A stream that belongs to the listener's hub and that the caller owns.
    /// - Throws: `CancellationError`, or `TandemError` `timedOut`, `closed`, `hubStopped`, `wrongHub`, or `systemCall` with the errno of
    ///   accept4(2). With EMFILE or ENFILE, no descriptor is free and the client waits in the backlog: call again when a stream was
    ///   closed, or after a while.
    public func accept(deadline: Deadline = .never) async throws -> TCPStream {
        TCPListener.stream(try await acceptDescriptor("TCPListener.accept", deadline))
    }

    /// Accepts a connection; parks the green thread until a client has connected. Otherwise the same as the async form. Also throws
    /// `TandemError` `notOnGreenThread` or `wrongTask`.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public func accept(
        deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line
    ) throws -> TCPStream {
        TCPListener.stream(try acceptDescriptor("TCPListener.accept", deadline, file, line))
    }

    private static func stream(_ accepted: (descriptor: Descriptor, peer: SocketAddress)) -> TCPStream {
        TCPStream.sendWithoutDelay(accepted.descriptor.fd)
        return TCPStream(accepted.descriptor, peer: accepted.peer.endpoint ?? SocketEndpoint(address: .v4(0), port: 0))
    }
}
