internal import COpenSSL
internal import Tandem

// @unchecked: OpenSSL's objects are not changed after `init`.
/// A certificate with its private key, made for a test. The key exists only in this process.
///
/// `authority` and `localhost` are made once per process. A server with `localhost` is one that a client which trusts `authority`
/// accepts; `TestSetup.tls` uses them.
public final class TestCertificate: @unchecked Sendable {
    /// An authority, valid for one hour.
    public static let authority = TestCertificate(["Tandem test authority"], isAuthority: true)
    /// A server's certificate for "localhost", signed by `authority`.
    public static let localhost = TestCertificate(["localhost"], issuer: .authority)

    package let certificate: OpaquePointer
    package let key: OpaquePointer

    /// Creates a certificate and its key.
    ///
    /// - Parameters:
    ///   - names: DNS names and numeric addresses. If empty, the certificate has only its `subject`.
    ///   - subject: The common name; nil for the first name.
    ///   - issuer: The authority that signs it; nil for a self-signed certificate.
    ///   - isAuthority: Whether it may sign other certificates. An authority has no DNS names.
    ///   - validSeconds: The time in which it is valid, relative to now.
    ///   - rsaBits: The length of an RSA key; nil for a key on the curve P-256.
    public init(
        _ names: [String], subject: String? = nil, issuer: TestCertificate? = nil, isAuthority: Bool = false,
        validSeconds: Range<Int> = -3600..<3600,
        rsaBits: Int? = nil
    ) {
        key = rsaBits.map { newRSAKey(bits: $0) } ?? newECKey()
        certificate = X509_new()!
        X509_set_version(certificate, 2)
        var serial: UInt64 = 0
        withUnsafeMutableBytes(of: &serial) { _ = RAND_bytes($0.baseAddress, 7) }
        ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial)
        X509_gmtime_adj(X509_getm_notBefore(certificate), validSeconds.lowerBound)
        X509_gmtime_adj(X509_getm_notAfter(certificate), validSeconds.upperBound)
        X509_set_pubkey(certificate, key)
        X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_FLAG, subject ?? names[0], -1, -1, 0)
        X509_set_issuer_name(certificate, X509_get_subject_name(issuer?.certificate ?? certificate))
        extend(NID_basic_constraints, isAuthority ? "critical,CA:TRUE" : "CA:FALSE")
        if !isAuthority, !names.isEmpty {
            extend(NID_subject_alt_name, names.map { "\(IPAddress($0) == nil ? "DNS" : "IP"):\($0)" }.joined(separator: ","))
        }
        precondition(X509_sign(certificate, issuer?.key ?? key, EVP_sha256()) > 0)
    }

    deinit {
        X509_free(certificate)
        EVP_PKEY_free(key)
    }

    private func extend(_ kind: CInt, _ value: String) {
        let made = X509V3_EXT_conf_nid(nil, nil, kind, value)
        precondition(made != nil, value)
        X509_add_ext(certificate, made, -1)
        X509_EXTENSION_free(made)
    }

    /// The certificate in PEM.
    public var certificateText: String { text { PEM_write_bio_X509($0, certificate) } }
    /// The private key in PEM (PKCS #8), not encrypted.
    public var keyText: String { text { PEM_write_bio_PKCS8PrivateKey($0, key, nil, nil, 0, nil, nil) } }
    /// The private key in PEM (PKCS #8), encrypted with a password.
    package var encryptedKeyText: String {
        text { PEM_write_bio_PKCS8PrivateKey($0, key, EVP_aes_256_cbc(), Array("secret".utf8CString), 6, nil, nil) }
    }

    private func text(_ write: (OpaquePointer?) -> CInt) -> String {
        let bio = BIO_new(BIO_s_mem())
        defer { BIO_free(bio) }
        precondition(write(bio) == 1)
        var bytes = [UInt8](repeating: 0, count: 16_384)
        let count = BIO_read(bio, &bytes, CInt(bytes.count))
        return String(decoding: bytes.prefix(Int(count)), as: UTF8.self)
    }
}

private func newECKey() -> OpaquePointer {
    let context = EVP_PKEY_CTX_new_from_name(nil, "EC", nil)
    defer { EVP_PKEY_CTX_free(context) }
    var key: OpaquePointer?
    precondition(EVP_PKEY_keygen_init(context) == 1 && EVP_PKEY_CTX_set_group_name(context, "P-256") == 1)
    precondition(EVP_PKEY_generate(context, &key) == 1)
    return key!
}

private func newRSAKey(bits: Int) -> OpaquePointer {
    let context = EVP_PKEY_CTX_new_from_name(nil, "RSA", nil)
    defer { EVP_PKEY_CTX_free(context) }
    var key: OpaquePointer?
    precondition(EVP_PKEY_keygen_init(context) == 1 && EVP_PKEY_CTX_set_rsa_keygen_bits(context, CInt(bits)) == 1)
    precondition(EVP_PKEY_generate(context, &key) == 1)
    return key!
}
