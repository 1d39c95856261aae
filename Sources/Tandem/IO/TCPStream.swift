internal import Glibc

/// A TCP connection, tcp(7). `ByteStream` has its calls and the rules for its use.
///
///     let stream = try TCPStream.connect(host: "example.com", port: 7)            // blocking
///     let stream = try await TCPStream.connect(host: "example.com", port: 7)      // async
///
/// Sockets are non-blocking and close-on-exec, and send without delay (TCP_NODELAY): a write is a packet as soon as the window
/// allows. Write a message with one call.
public final class TCPStream: SocketStream, @unchecked Sendable {
    /// The address of this end.
    public let local: SocketEndpoint
    /// The address of the other end.
    public let peer: SocketEndpoint

    /// Takes ownership of a connected descriptor.
    init(_ descriptor: Descriptor, peer: SocketEndpoint) {
        self.peer = peer
        // A connection that was reset at once still has its address; the fallback is for a kernel that refuses to tell it.
        local = SocketAddress(localOf: descriptor.fd)?.endpoint ?? SocketEndpoint(address: .v4(0), port: 0)
        super.init(descriptor)
    }

    // MARK: By name

    /// Connects to a host; suspends until the connection is established.
    ///
    /// The name is resolved by `resolve(host:port:)`. If it has several addresses they are raced as RFC 8305 describes: the
    /// families in turn, a new attempt each 250 ms or as soon as one fails, and the first connection wins. The others are closed.
    ///
    /// - Parameters:
    ///   - host: A host name, or a numeric address (IPv6 without brackets).
    ///   - port: The port.
    ///   - deadline: The time at which the call gives up. Without one, the kernel gives up an attempt after about two minutes
    ///     (tcp_syn_retries).
    /// - Returns: A stream that belongs to the caller's hub and that the caller owns.
    /// - Throws: `CancellationError`, or `TandemError`: `cannotConnect` with the reason of each address, and the errno of the last one;
    ///   `timedOut`; `hubStopped` on a thread without a hub; the errors of `resolve`.
    public static func connect(host: String, port: UInt16, deadline: Deadline = .never) async throws -> TCPStream {
        _ = try Hub.requireCurrent("TCPStream.connect")
        let endpoints = try await resolve(host: host, port: port, deadline: deadline)
        return try await connect(to: endpoints, named: host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)", deadline)
    }

    /// Connects to a host; parks the green thread until the connection is established. Otherwise the same as the async form.
    /// Throws `TandemError` `notOnGreenThread` in place of `hubStopped`, or `wrongTask`.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public static func connect(
        host: String, port: UInt16, deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line
    ) throws -> TCPStream {
        _ = try currentFiberOnHub("TCPStream.connect", file, line)
        return try awaiting(file: file, line: line) { try await connect(host: host, port: port, deadline: deadline) }
    }

    // MARK: By address

    /// Connects to an address; suspends until the connection is established. Otherwise the same as the form for a host.
    public static func connect(to endpoint: SocketEndpoint, deadline: Deadline = .never) async throws -> TCPStream {
        try await connect(to: [endpoint], named: endpoint.description, deadline)
    }

    /// Connects to an address; parks the green thread until the connection is established. Otherwise the same as the async form.
    /// Throws `TandemError` `notOnGreenThread` in place of `hubStopped`, or `wrongTask`.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public static func connect(
        to endpoint: SocketEndpoint, deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line
    ) throws -> TCPStream {
        try connect(toAnyOf: [endpoint], deadline: deadline, file: file, line: line)
    }

    /// Connects to one of several addresses, which race as those of a host do; suspends until a connection is established. For
    /// programs that resolve names themselves, or that check addresses before they connect.
    ///
    /// - Parameters:
    ///   - endpoints: The addresses, the preferred one first. At least one.
    ///   - deadline: The time at which the call gives up.
    /// - Throws: The errors of the form for a host, without those of `resolve`; `TandemError` `invalidArgument` if there is no address.
    public static func connect(toAnyOf endpoints: [SocketEndpoint], deadline: Deadline = .never) async throws -> TCPStream {
        guard !endpoints.isEmpty else { throw TandemError(.invalidArgument, "TCPStream.connect needs at least one address") }
        return try await connect(to: endpoints, named: endpoints.map(\.description).joined(separator: " or "), deadline)
    }

    /// Connects to one of several addresses; parks the green thread until a connection is established. Otherwise the same as the
    /// async form. Throws `TandemError` `notOnGreenThread` in place of `hubStopped`, or `wrongTask`.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public static func connect(
        toAnyOf endpoints: [SocketEndpoint], deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line
    ) throws -> TCPStream {
        _ = try currentFiberOnHub("TCPStream.connect", file, line)
        return try awaiting(file: file, line: line) { try await connect(toAnyOf: endpoints, deadline: deadline) }
    }

    private static func connect(
        to endpoints: [SocketEndpoint], named target: String, _ deadline: Deadline
    ) async throws -> TCPStream {
        _ = try Hub.requireCurrent("TCPStream.connect")
        let (endpoint, descriptor) = try await ConnectRace(to: endpoints, target: target).run(deadline: deadline)
        return TCPStream(descriptor, peer: endpoint)
    }

    /// Sets TCP_NODELAY, so that the kernel sends small writes at once.
    static func sendWithoutDelay(_ fd: CInt) {
        var on: CInt = 1
        setsockopt(fd, CInt(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<CInt>.size))
    }
}
