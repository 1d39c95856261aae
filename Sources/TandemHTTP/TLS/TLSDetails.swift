internal import COpenSSL

/// The result of a TLS handshake.
public struct TLSDetails: Hashable, Sendable {
    /// The version of TLS: "TLSv1.2" or "TLSv1.3".
    public let version: String
    /// The cipher suite, as OpenSSL names it.
    public let cipher: String
    /// The server name that the client asked for (SNI, RFC 6066), as the client spelled it; nil if it asked for none. It is not
    /// verified: a client can ask for any name.
    public let serverName: String?
    /// Whether the client resumed an earlier session. The server then checked the client's certificate in that session, not in
    /// this handshake.
    public let isResumed: Bool
    /// The subject of the client's verified certificate, in the form of RFC 4514, such as "CN=alice,O=Example"; nil without a
    /// certificate.
    public let clientSubject: String?

    init(of ssl: OpaquePointer) {
        version = String(cString: SSL_get_version(ssl))
        cipher = tandem_ssl_cipher(ssl).map { String(cString: $0) } ?? ""
        serverName = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name).map { String(cString: $0) }
        isResumed = SSL_session_reused(ssl) == 1
        clientSubject =
            SSL_get_verify_result(ssl) == X509_V_OK ? SSL_get0_peer_certificate(ssl).map { subject(of: $0) } : nil
    }
}

private func subject(of certificate: OpaquePointer) -> String {
    guard let bio = BIO_new(BIO_s_mem()) else { return "" }
    defer { BIO_free(bio) }
    _ = tandem_x509_print_subject(bio, certificate)
    var text = [UInt8](repeating: 0, count: 4_096)
    let count = BIO_read(bio, &text, CInt(text.count))
    return String(decoding: text.prefix(max(0, Int(count))), as: UTF8.self)
}
