/// The TLS settings of a client: which servers it trusts, and what it offers. `TLSClientContext` reads the files.
///
/// The certificate of a server is always verified: its chain must lead to an authority, it must be valid now, and it must be for
/// the host that the client connects to. No setting turns that off. A test server's own authority, or the certificate itself, is
/// named by `authorities`. The other settings are the same as those of `TLSConfiguration`: TLS 1.2 and 1.3, no renegotiation, no
/// compression.
public struct TLSClientConfiguration: Hashable, Sendable {
    /// The path of a PEM file with the trusted authorities, in place of the system's. A certificate in it is trusted also if
    /// another authority has signed it. nil for the system's store, as OpenSSL finds it (SSL_CERT_FILE, SSL_CERT_DIR).
    public var authorities: String?
    /// The client's own certificate, for servers that ask for one; nil for none.
    public var certificate: TLSConfiguration.Certificate?
    /// The protocols that the client offers (ALPN, RFC 7301), the preferred one first, such as "postgresql"; empty for none. The
    /// server's choice is `TLSDetails.selectedProtocol`, nil if the server takes no part in ALPN.
    public var protocols: [String]
    /// The minimum version of TLS.
    public var minimumVersion = TLSConfiguration.Version.tls12
    /// The maximum time for the handshake, once the connection is established. 10 seconds: a handshake takes two or three round
    /// trips, so a peer that takes longer does not speak TLS, or is overloaded.
    public var handshakeTimeout: Duration = .seconds(10)

    /// Creates a configuration; by default the system's authorities, no certificate and no ALPN.
    public init(authorities: String? = nil, certificate: TLSConfiguration.Certificate? = nil, protocols: [String] = []) {
        self.authorities = authorities
        self.certificate = certificate
        self.protocols = protocols
    }
}
