/// The TLS settings of a server: its certificates, and its requirements for clients. OpenSSL does the rest.
///
/// Fixed, because no deployment is better off with anything else: TLS 1.2 and 1.3 only; ECDHE with AES-GCM or ChaCha20 in 1.2;
/// X25519, P-256 and P-384, since larger groups let a client choose how much work the server has; no renegotiation, no
/// compression, no early data. ALPN offers http/1.1 and http/1.0. Clients can resume sessions by tickets for an hour. The
/// ticket keys exist only in this process and change every hour.
public struct TLSConfiguration: Hashable, Sendable {
    /// A certificate with its key.
    public struct Certificate: Hashable, Sendable {
        /// A PEM file: the server's certificate, then those that lead to the authority.
        public var chain: String
        /// A PEM file: the private key, not encrypted. May be the same file.
        public var key: String

        /// A certificate in these files.
        public init(chain: String, key: String) {
            self.chain = chain
            self.key = key
        }
    }

    /// The requirement for client certificates.
    public enum ClientCertificates: String, CaseIterable, Sendable {
        /// Clients are not asked for certificates.
        case none
        /// A client may send none; one that it sends must be valid.
        case optional
        /// Without a valid client certificate the handshake fails.
        case required
    }

    /// A version of TLS.
    public enum Version: String, CaseIterable, Sendable {
        /// RFC 5246.
        case tls12 = "1.2"
        /// RFC 8446.
        case tls13 = "1.3"
    }

    /// The certificates. A client gets the first that has the name it asks for (SNI, RFC 6066), an exact name before a wildcard.
    /// A client that asks for no name, or for an unknown one, gets the first of all.
    public var certificates: [Certificate]
    /// A PEM file with the authorities that clients' certificates must lead to.
    public var clientAuthorities: String?
    /// Whether the server asks clients for certificates.
    public var clientCertificates = ClientCertificates.none
    /// The minimum version. 1.2, because long-lived devices support nothing newer, and nothing is wrong with 1.2 as set up here.
    public var minimumVersion = Version.tls12
    /// The time from the connection's beginning to the end of the handshake; then the server cuts it. As short as
    /// `headerTimeout`: a handshake takes two or three round trips, and waits for no person.
    public var handshakeTimeout: Duration = .seconds(10)

    /// Creates a configuration with these certificates and the defaults.
    public init(certificates: [Certificate] = []) { self.certificates = certificates }

    /// Reads and checks the files, as a starting server does. Blocks while it reads. Throws `TLSError`, which names the file.
    ///
    /// - Returns: Warnings about certificates that clients will refuse.
    public func check() throws(TLSError) -> [String] { try TLSContext(self, ticketKeys: TLSTicketKeys()).warnings }
}
