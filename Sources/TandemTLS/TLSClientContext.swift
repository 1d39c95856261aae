internal import COpenSSL
internal import Synchronization
internal import Tandem

// @unchecked: nothing changes after `init`, and OpenSSL counts references to an SSL_CTX atomically.
/// The files of a `TLSClientConfiguration`, read and checked: what a client needs for its connections. Any thread.
///
/// Create one, and use it for all connections with these settings. To reload changed files create another.
public final class TLSClientContext: @unchecked Sendable {
    let handshakeTimeout: Duration
    /// The place of the trusted authorities, for messages.
    let trusted: String
    private let context: SSLContextHandle

    /// Reads and checks the files. Blocks while it reads.
    ///
    /// - Throws: `TLSError`, which names the file: `unreadableFile`, `malformedFile`, `encryptedKey`, `keyMismatch` or
    ///   `unacceptable`.
    public init(_ configuration: TLSClientConfiguration = TLSClientConfiguration()) throws(TLSError) {
        context = try SSLContextHandle(.client, minimum: configuration.minimumVersion)
        try context.trust(configuration.authorities)
        if let certificate = configuration.certificate { try context.use(certificate) }
        try context.offer(configuration.protocols)
        trusted = configuration.authorities ?? "the system's store"
        handshakeTimeout = configuration.handshakeTimeout
    }

    private static let cached = Mutex<TLSClientContext?>(nil)

    /// Returns the context of the default configuration, which is created once per process. Reads the system's store on a thread of the
    /// shared pool.
    static func standard(_ deadline: Deadline) async throws -> TLSClientContext {
        if let cached = cached.withLock({ $0 }) { return cached }
        let created = try await offload(deadline: deadline) { try TLSClientContext() }
        return cached.withLock { cached in
            if let cached { return cached }
            cached = created
            return created
        }
    }

    /// Returns a new client-side SSL object, which the caller frees and which accepts only a certificate for `host`. Returns nil
    /// if there is no memory, or the name is longer than 255 bytes.
    ///
    /// - Parameters:
    ///   - host: The host name or numeric address that the certificate must have.
    ///   - isAddress: Whether `host` is a numeric address, which is not sent as the server name (RFC 6066, 3).
    func newSession(host: String, isAddress: Bool) -> OpaquePointer? {
        guard let ssl = SSL_new(context.pointer) else { return nil }
        SSL_set_connect_state(ssl)
        let parameters = SSL_get0_param(ssl)
        X509_VERIFY_PARAM_set_hostflags(
            parameters, CUnsignedInt(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT))
        var name = Array(host.utf8CString)
        let isSet =
            isAddress
            ? X509_VERIFY_PARAM_set1_ip_asc(parameters, name) == 1
            : X509_VERIFY_PARAM_set1_host(parameters, name, name.count - 1) == 1
                && SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, Int(TLSEXT_NAMETYPE_host_name), &name) == 1
        guard isSet else {
            SSL_free(ssl)
            return nil
        }
        return ssl
    }
}
