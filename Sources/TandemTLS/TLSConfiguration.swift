/// The TLS settings of a server: its certificates, and its requirements for clients. OpenSSL does the rest.
///
/// These settings are fixed, because other values would only make a deployment less secure:
///
/// - TLS 1.2 and 1.3 only; in TLS 1.2 only ECDHE with AES-GCM or ChaCha20.
/// - The groups X25519, P-256 and P-384. Larger groups would let a client choose how much work the server has.
/// - No renegotiation, no compression and no early data.
/// - The program decides which protocols are offered by ALPN: an HTTP server offers http/1.1 and http/1.0.
/// - Clients of an HTTP server can resume sessions by tickets for an hour. The ticket keys exist only in this process and change
///   every hour.
public struct TLSConfiguration: Hashable, Sendable {
    /// The files of a certificate and its key.
    public struct Certificate: Hashable, Sendable {
        /// The path of a PEM file with the server's certificate, followed by the intermediate certificates.
        public var chain: String
        /// The path of a PEM file with the private key, not encrypted. It may be the same file.
        public var key: String

        /// Creates a certificate from the paths of its files.
        public init(chain: String, key: String) {
            self.chain = chain
            self.key = key
        }
    }

    /// The requirement for client certificates.
    public enum ClientCertificates: String, CaseIterable, Sendable {
        /// The server asks for no client certificate.
        case none
        /// The server asks for a client certificate. A client need not send one, but one that it sends must be valid.
        case optional
        /// The server asks for a client certificate, and the handshake fails without a valid one.
        case required
    }

    /// A version of TLS.
    public enum Version: String, CaseIterable, Sendable {
        /// TLS 1.2 (RFC 5246).
        case tls12 = "1.2"
        /// TLS 1.3 (RFC 8446).
        case tls13 = "1.3"
    }

    /// The certificates. A client gets the first certificate for the name that it asks for (SNI, RFC 6066); an exact match wins
    /// over a wildcard. A client that asks for no name, or for an unknown one, gets the first certificate in the list.
    public var certificates: [Certificate]
    /// The path of a PEM file with the authorities that may sign client certificates.
    public var clientAuthorities: String?
    /// Whether the server asks clients for certificates.
    public var clientCertificates = ClientCertificates.none
    /// The minimum version of TLS. 1.2, because old devices support nothing newer, and TLS 1.2 is secure with these settings.
    public var minimumVersion = Version.tls12
    /// The maximum time from the start of a connection to the end of the handshake; after it the server cuts the connection. As
    /// short as `headerTimeout`: a handshake takes two or three round trips and needs no user input.
    public var handshakeTimeout: Duration = .seconds(10)

    /// Creates a configuration with these certificates and the defaults.
    public init(certificates: [Certificate] = []) { self.certificates = certificates }

    /// Reads and checks the files, as a starting server does. Blocks while it reads. Throws `TLSError`, which names the file.
    ///
    /// - Returns: Warnings about certificates that clients will refuse.
    public func check() throws(TLSError) -> [String] { try TLSContext(self).warnings }

    /// Reads the files and returns the time until each certificate ends; negative when it has ended, nil if it has no readable
    /// end. Blocks while it reads. Throws `TLSError`, which names the file.
    public func certificateLifetimes() throws(TLSError) -> [(certificate: Certificate, remaining: Duration?)] {
        let lifetimes = try TLSContext(self).remainingLifetimes
        return Array(zip(certificates, lifetimes))
    }
}
