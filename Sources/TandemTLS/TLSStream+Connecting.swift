public import Tandem

/// Making TLS streams, in both styles.
extension TLSStream {
    // MARK: A client

    /// Connects to a host and completes the TLS handshake; suspends until then.
    ///
    /// Connects as `TCPStream.connect(host:port:)` does. The server's certificate must lead to a trusted authority, be valid now, and
    /// be for `host` (RFC 9525). The client sends `host` as the server name (SNI) unless it is a numeric address.
    ///
    /// - Parameters:
    ///   - host: A host name in ASCII, or a numeric address (IPv6 without brackets).
    ///   - port: The port.
    ///   - context: The trusted authorities and the other settings; nil for those of `TLSClientConfiguration()`, which the first
    ///     connection reads.
    ///   - deadline: The time at which the call gives up. The handshake itself has `TLSClientConfiguration.handshakeTimeout`, too.
    /// - Returns: A stream that belongs to the caller's hub and that the caller owns.
    /// - Throws: The errors of `TCPStream.connect(host:port:)`; `TandemError` `timedOut` also if the handshake takes too long, and
    ///   `invalidArgument` for a host that is empty or too long. `TLSError`: `wrongHost`, `unknownAuthority`, `certificateExpired`,
    ///   `certificateNotYetValid` or `invalidCertificate` if the server's certificate is not acceptable; `notTLS` if the port does not
    ///   speak TLS; `handshakeRefused`, `refusedByPeer` or `endedInHandshake`. The messages name the host.
    public static func connect(
        host: String, port: UInt16, context: TLSClientContext? = nil, deadline: Deadline = .never
    ) async throws -> TLSStream {
        let deadline = deadline.onThisClock
        let stream = try await TCPStream.connect(host: host, port: port, deadline: deadline)
        let target = host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        return try await connect(over: stream, host: host, target: target, context, deadline)
    }

    /// Connects to a host and completes the TLS handshake; parks the green thread until then. Otherwise the same as the async form.
    /// Throws `TandemError` `notOnGreenThread` in place of `hubStopped`, or `wrongTask`.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public static func connect(
        host: String, port: UInt16, context: TLSClientContext? = nil, deadline: Deadline = .never,
        file: StaticString = #fileID, line: UInt = #line
    ) throws -> TLSStream {
        try requireGreenThread("TLSStream.connect", file, line)
        return try awaiting(file: file, line: line) {
            try await connect(host: host, port: port, context: context, deadline: deadline)
        }
    }

    /// Starts TLS as the client on a stream that is already connected; suspends until the handshake is complete.
    ///
    /// For protocols that begin in the clear and change to TLS (STARTTLS), for a TLS connection through a proxy, and for a stream from
    /// `TCPStream.connect(to:)`. Read the peer's consent first, and nothing more: bytes that were received with it and not read are
    /// refused, because a man in the middle could have put them there to be taken for bytes under TLS (CVE-2011-0411).
    ///
    /// - Parameters:
    ///   - stream: The stream, which the new one replaces: its later calls throw `closed`. If this call throws, it is closed.
    ///   - host: The host name or numeric address that the server's certificate must be for.
    ///   - context: As for `connect(host:port:context:deadline:)`.
    ///   - deadline: The time at which the call gives up.
    /// - Throws: `TLSError` `unreadBytes`, and those of `connect(host:port:context:deadline:)`; `CancellationError`; `TandemError` `closed`,
    ///   `descriptorBusy` if a call on the stream is in progress, `timedOut`, `invalidArgument`, `wrongHub`, `hubStopped`.
    public static func connect(
        over stream: SocketStream, host: String, context: TLSClientContext? = nil, deadline: Deadline = .never
    ) async throws -> TLSStream {
        try await connect(over: stream, host: host, target: host, context, deadline.onThisClock)
    }

    /// Starts TLS as the client; parks the green thread until the handshake is complete. Otherwise the same as the async form. Throws
    /// `TandemError` `notOnGreenThread` in place of `hubStopped`, or `wrongTask`.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public static func connect(
        over stream: SocketStream, host: String, context: TLSClientContext? = nil, deadline: Deadline = .never,
        file: StaticString = #fileID, line: UInt = #line
    ) throws -> TLSStream {
        try requireGreenThread("TLSStream.connect", file, line)
        return try awaiting(file: file, line: line) {
            try await connect(over: stream, host: host, context: context, deadline: deadline)
        }
    }

    private static func connect(
        over stream: SocketStream, host: String, target: String, _ context: TLSClientContext?, _ deadline: Deadline
    ) async throws -> TLSStream {
        do {
            // A name may end with a dot, and certificates have none.
            let name = host.hasSuffix(".") ? String(host.dropLast()) : host
            // OpenSSL takes a name that begins with a dot for all names below it.
            guard (1...255).contains(name.utf8.count), !name.utf8.contains(0), !name.hasPrefix(".") else {
                throw TandemError(
                    .invalidArgument, "TLSStream.connect needs a host name of 1 to 255 bytes that does not begin with a dot")
            }
            let given = context
            let context: TLSClientContext = if let given { given } else { try await .standard(deadline) }
            return try await Handshake(target, isClient: true, host: name, trusted: context.trusted)
                .run(over: stream, "TLSStream.connect", deadline) { descriptor throws(TandemError) in
                    try TLSSession(descriptor, context, host: name)
                }
        } catch {
            stream.close()
            throw error
        }
    }

    // MARK: A server

    /// Starts TLS as the server on a stream that was accepted; suspends until the handshake is complete.
    ///
    /// Call it in the task or green thread of the connection, not in the loop that accepts: a client may take its time. Also for
    /// servers of protocols that begin in the clear (STARTTLS): as on the client's side, bytes that were received and not read are
    /// refused.
    ///
    /// - Parameters:
    ///   - stream: The stream, which the new one replaces: its later calls throw `closed`. If this call throws, it is closed.
    ///   - context: The certificates, and the requirements for clients.
    ///   - deadline: The time at which the call gives up. The handshake itself has `TLSConfiguration.handshakeTimeout`, too.
    /// - Returns: A stream that belongs to the caller's hub and that the caller owns. `details` has the client's names.
    /// - Throws: `CancellationError`; `TLSError`: `unreadBytes`; `unknownAuthority`, `certificateExpired`, `certificateNotYetValid` or
    ///   `invalidCertificate` for the client's certificate; `notTLS`, `handshakeRefused`, `refusedByPeer`, `endedInHandshake`;
    ///   `TandemError` `timedOut`, `closed`, `descriptorBusy`, `wrongHub`, `hubStopped`, or `systemCall` such as ECONNRESET.
    public static func accept(
        over stream: SocketStream, context: TLSContext, deadline: Deadline = .never
    ) async throws -> TLSStream {
        do {
            let client = (stream as? TCPStream).map { "the client \($0.peer)" } ?? "the client"
            return try await Handshake(client, isClient: false, host: "", trusted: "the file of client authorities")
                .run(over: stream, "TLSStream.accept", deadline.onThisClock) { descriptor throws(TandemError) in
                    try TLSSession(descriptor, context, keepsRest: true)
                }
        } catch {
            stream.close()
            throw error
        }
    }

    /// Starts TLS as the server; parks the green thread until the handshake is complete. Otherwise the same as the async form. Throws
    /// `TandemError` `notOnGreenThread` in place of `hubStopped`, or `wrongTask`.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public static func accept(
        over stream: SocketStream, context: TLSContext, deadline: Deadline = .never, file: StaticString = #fileID,
        line: UInt = #line
    ) throws -> TLSStream {
        try requireGreenThread("TLSStream.accept", file, line)
        return try awaiting(file: file, line: line) { try await accept(over: stream, context: context, deadline: deadline) }
    }
}
