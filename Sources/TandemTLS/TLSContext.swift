internal import COpenSSL

// @unchecked: nothing changes after `init`, and OpenSSL counts references to an SSL_CTX atomically.
/// The certificates and keys of a `TLSConfiguration`, read and checked: what a server needs for its connections. Any thread.
///
/// Create one, and use it for all connections. To reload changed files create another: open connections keep the context that
/// they began with.
public final class TLSContext: @unchecked Sendable {
    let handshakeTimeout: Duration
    /// The protocols offered by ALPN, the preferred one first; empty to ignore what clients offer.
    let protocols: [[UInt8]]
    /// The keys for session tickets; nil to issue none.
    let ticketKeys: TLSTicketKeys?
    /// Warnings for the operator about certificates that clients will refuse, because they have expired or are not valid yet.
    public let warnings: [String]
    /// One context per certificate. The first is for clients that ask for no name, or for an unknown one.
    private let contexts: [SSLContextHandle]

    /// Reads and checks the files. Blocks while it reads.
    ///
    /// Clients cannot resume sessions: a connection for a line protocol is rarely reopened, and a client that only writes would
    /// reset the connection by closing it with an unread ticket.
    ///
    /// - Parameters:
    ///   - configuration: The certificates, and the requirements for clients.
    ///   - protocols: The protocols that the server speaks (ALPN, RFC 7301), the preferred one first, such as "postgresql". A
    ///     client that offers only others is refused; one that offers none is accepted. Empty: the server does not take part.
    /// - Throws: `TLSError`, which names the file: `noCertificate`, `unreadableFile`, `malformedFile`, `encryptedKey`,
    ///   `keyMismatch`, `unacceptable` or `noAuthorities`.
    public convenience init(_ configuration: TLSConfiguration, protocols: [String] = []) throws(TLSError) {
        try self.init(configuration, protocols: protocols, ticketKeys: nil)
    }

    /// Reads and checks the files.
    ///
    /// - Parameter ticketKeys: The keys for session tickets; nil to issue none.
    package init(
        _ configuration: TLSConfiguration, protocols: [String], ticketKeys: TLSTicketKeys?
    ) throws(TLSError) {
        guard !configuration.certificates.isEmpty else {
            throw TLSError(.noCertificate, "TLS needs a certificate: name at least one certificate file and its key")
        }
        self.protocols = try protocols.map { name throws(TLSError) in try ProtocolNames.checked(name) }
        let clients = try ClientVerification(configuration)
        var (contexts, warnings) = ([SSLContextHandle](), [String]())
        for certificate in configuration.certificates {
            let context = try SSLContextHandle(.server, minimum: configuration.minimumVersion)
            if ticketKeys != nil { context.issueTickets() } else { context.issueNoTickets() }
            if !protocols.isEmpty { context.chooseProtocols() }
            try context.use(certificate)
            context.verify(clients)
            if let warning = context.validityWarning { warnings.append("the certificate in \(certificate.chain) \(warning)") }
            contexts.append(context)
        }
        self.contexts = contexts
        self.warnings = warnings
        self.ticketKeys = ticketKeys
        handshakeTimeout = configuration.handshakeTimeout
    }

    /// The time until each certificate ends, in the order of the configuration.
    var remainingLifetimes: [Duration?] { contexts.map(\.remainingLifetime) }

    /// Returns a new server-side SSL object, which the caller frees. Returns nil if there is no memory.
    func newSession() -> OpaquePointer? {
        let ssl = SSL_new(contexts[0].pointer)
        if let ssl { SSL_set_accept_state(ssl) }
        return ssl
    }

    /// Makes a connection use the certificate for a server name. Returns false if no certificate has that name.
    func choose(for name: UnsafePointer<CChar>, _ ssl: OpaquePointer) -> Bool {
        guard
            let context = contexts.first(where: { $0.has(name, byWildcard: false) })
                ?? contexts.first(where: { $0.has(name, byWildcard: true) })
        else { return false }
        SSL_set_SSL_CTX(ssl, context.pointer)
        return true
    }
}

/// The names of protocols in ALPN.
enum ProtocolNames {
    /// Returns the bytes of a name. Throws `TLSError` `unacceptable` unless it has 1 to 255 bytes (RFC 7301, 3.1).
    static func checked(_ name: String) throws(TLSError) -> [UInt8] {
        let bytes = Array(name.utf8)
        guard (1...255).contains(bytes.count) else {
            throw TLSError(.unacceptable, "the name of an ALPN protocol has 1 to 255 bytes, not \(bytes.count)")
        }
        return bytes
    }
}

/// The verification of client certificates.
struct ClientVerification {
    /// OpenSSL's flags for the verification; nil if the server asks for no certificates.
    private(set) var mode: CInt?
    private(set) var authorities: [X509Handle] = []
    /// A hash of these settings. A client can resume a session only while they are the same (SSL_CTX_set_session_id_context(3)).
    /// Otherwise a ticket could admit a client whose authority a reload has removed.
    private(set) var fingerprint: [UInt8] = []

    init(_ configuration: TLSConfiguration) throws(TLSError) {
        var identity = Array(configuration.clientCertificates.rawValue.utf8)
        if configuration.clientCertificates != .none {
            guard let path = configuration.clientAuthorities else {
                throw TLSError(
                    .noAuthorities,
                    "client certificates are \(configuration.clientCertificates.rawValue), but no file of authorities is named")
            }
            let (certificates, bytes) = try PEMFile.certificates(path)
            authorities = certificates.map { X509Handle(owning: $0) }
            identity += bytes
            mode = SSL_VERIFY_PEER | (configuration.clientCertificates == .required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0)
        }
        fingerprint = [UInt8](repeating: 0, count: 32)
        EVP_Digest(identity, identity.count, &fingerprint, nil, EVP_sha256(), nil)
    }
}

/// An X509 certificate of OpenSSL.
final class X509Handle {
    let pointer: OpaquePointer
    init(owning pointer: OpaquePointer) { self.pointer = pointer }
    deinit { X509_free(pointer) }
}
