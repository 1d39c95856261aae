internal import COpenSSL
internal import Logging

// @unchecked: nothing changes after `init`, and OpenSSL counts references to an SSL_CTX atomically.
/// The certificates and keys of a `TLSConfiguration`, read and checked. A connection keeps the context that it began with.
final class TLSContext: @unchecked Sendable {
    let handshakeTimeout: Duration
    let ticketKeys: TLSTicketKeys
    /// Warnings for the operator about certificates that have expired or are not valid yet.
    let warnings: [String]
    /// One context per certificate. The first is for clients that ask for no name, or for an unknown one.
    private let contexts: [SSLContextHandle]

    /// Reads the files. Throws `TLSError`, which names the file.
    init(_ configuration: TLSConfiguration, ticketKeys: TLSTicketKeys) throws(TLSError) {
        guard !configuration.certificates.isEmpty else {
            throw TLSError(.noCertificate, "TLS needs a certificate: name at least one certificate file and its key")
        }
        let clients = try ClientVerification(configuration)
        var (contexts, warnings) = ([SSLContextHandle](), [String]())
        for certificate in configuration.certificates {
            let context = try SSLContextHandle(configuration.minimumVersion)
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
