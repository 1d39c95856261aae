internal import COpenSSL

/// The result of a TLS handshake.
public struct TLSDetails: Hashable, Sendable {
    /// The version of TLS: "TLSv1.2" or "TLSv1.3".
    public let version: String
    /// The cipher suite, as OpenSSL names it.
    public let cipher: String
    /// The protocol that ALPN selected (RFC 7301); nil if none was.
    public let selectedProtocol: String?
    /// The server name that the client asked for (SNI, RFC 6066), as the client spelled it; nil if it asked for none. It is not
    /// verified: a client can ask for any name.
    public let serverName: String?
    /// Whether the client resumed an earlier session. The server then checked the client's certificate in that session, not in
    /// this handshake.
    public let isResumed: Bool
    /// The subject of the client's verified certificate, in the form of RFC 4514, such as "CN=alice,O=Example". nil without a
    /// certificate, and on the client's end.
    public let clientSubject: String?
    /// The subject of the server's verified certificate, in the form of RFC 4514; nil on the server's end. The names that a
    /// client verifies are not in the subject: see RFC 9525.
    public let serverSubject: String?

    init(of ssl: OpaquePointer) {
        version = String(cString: SSL_get_version(ssl))
        cipher = tandem_ssl_cipher(ssl).map { String(cString: $0) } ?? ""
        var (name, length): (UnsafePointer<UInt8>?, CUnsignedInt) = (nil, 0)
        SSL_get0_alpn_selected(ssl, &name, &length)
        selectedProtocol = name.map { String(decoding: UnsafeBufferPointer(start: $0, count: Int(length)), as: UTF8.self) }
        serverName = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name).map { String(cString: $0) }
        isResumed = SSL_session_reused(ssl) == 1
        let subject =
            SSL_get_verify_result(ssl) == X509_V_OK
            ? SSL_get0_peer_certificate(ssl).map { CertificateText.subject(of: $0) } : nil
        let isServer = SSL_is_server(ssl) == 1
        clientSubject = isServer ? subject : nil
        serverSubject = isServer ? nil : subject
    }
}
