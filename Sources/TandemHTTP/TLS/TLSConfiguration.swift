/// How a server speaks TLS: the files it proves itself with, and what it asks of its clients. OpenSSL does the rest.
///
/// Fixed, because no deployment is better off with anything else: TLS 1.2 and 1.3 only; ECDHE with AES-GCM or ChaCha20 in 1.2;
/// X25519, P-256 and P-384, since larger groups let a client choose how much work the server has; no renegotiation, no
/// compression, no early data. ALPN offers http/1.1 and http/1.0. Sessions are resumed by tickets for an hour, under keys
/// that live in this process alone and change each hour.
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

    /// What is asked of a client.
    public enum ClientCertificates: String, CaseIterable, Sendable {
        /// Clients are not asked for certificates.
        case none
        /// A client may have none; one that it has must be good.
        case optional
        /// Without a good one the handshake fails.
        case required
    }

    /// A version of TLS.
    public enum Version: String, CaseIterable, Sendable {
        /// RFC 5246.
        case tls12 = "1.2"
        /// RFC 8446.
        case tls13 = "1.3"
    }

    /// The certificates. A client gets the first that has the name it asks for, an exact name before a wildcard; without a name
    /// (SNI, RFC 6066), or for one that none has, the first of all.
    public var certificates: [Certificate]
    /// A PEM file with the authorities that clients' certificates must lead to.
    public var clientAuthorities: String?
    /// Whether clients are asked for certificates.
    public var clientCertificates = ClientCertificates.none
    /// The least version. 1.2, because clients of long-lived devices know no better, and nothing is wrong with it as set up here.
    public var minimumVersion = Version.tls12
    /// From the connection's beginning to the end of the handshake; then it is cut. As short as a request's head has: two or
    /// three round trips, and nothing that a person has to do.
    public var handshakeTimeout: Duration = .seconds(10)

    /// These certificates, and the defaults.
    public init(certificates: [Certificate] = []) { self.certificates = certificates }

    /// Reads and checks the files as a server would that starts now. Blocks while it reads. Throws `TLSError`, which names the
    /// file.
    ///
    /// - Returns: What is no error and wants attention all the same: certificates that clients will refuse.
    public func check() throws(TLSError) -> [String] { try TLSContext(self, ticketKeys: TLSTicketKeys()).warnings }
}
