internal import COpenSSL
package import TandemTLS

/// The client's end of TLS in a test.
public struct TestTLS: Sendable {
    /// The server's name: the client sends it (SNI), and the certificate must have it. nil for neither.
    public var serverName: String?
    /// The authority that the server's certificate must lead to; may be the certificate itself. nil accepts every certificate.
    public var authority: TestCertificate?
    /// The client's own certificate, for servers that ask for one.
    public var certificate: TestCertificate?
    /// The protocols that the client offers (ALPN), the preferred one first; empty for no ALPN.
    public var protocols: [String]
    /// The versions of TLS that the client offers, by OpenSSL's numbers.
    package var versions: ClosedRange<CInt>
    /// The cipher suites of TLS 1.3 that the client offers, separated by colons; nil for OpenSSL's own list.
    package var cipherSuites: String?
    /// The session to resume.
    package var session: TLSClientSession?

    /// Creates a client that accepts certificates of `authority` for `serverName`.
    public init(
        trusting authority: TestCertificate, serverName: String = "localhost", certificate: TestCertificate? = nil,
        protocols: [String] = []
    ) {
        self.init(serverName: serverName, authority: authority, certificate: certificate, protocols: protocols)
    }

    /// Creates a client that by default accepts every certificate.
    package init(
        serverName: String? = "localhost", authority: TestCertificate? = nil, certificate: TestCertificate? = nil,
        protocols: [String] = [], versions: ClosedRange<CInt>? = nil, cipherSuites: String? = nil,
        session: TLSClientSession? = nil
    ) {
        self.serverName = serverName
        self.authority = authority
        self.certificate = certificate
        self.protocols = protocols
        self.versions = versions ?? TLS1_2_VERSION...TLS1_3_VERSION
        self.cipherSuites = cipherSuites
        self.session = session
    }
}

extension TLSConfiguration {
    /// Creates a configuration with these certificates, which it writes to files in `directory`.
    package static func with(_ certificates: [TestCertificate], in directory: TemporaryDirectory) -> TLSConfiguration {
        TLSConfiguration(
            certificates: certificates.enumerated().map { index, certificate in
                Certificate(
                    chain: directory.write("\(index).crt", certificate.certificateText),
                    key: directory.write("\(index).key", certificate.keyText))
            })
    }
}
