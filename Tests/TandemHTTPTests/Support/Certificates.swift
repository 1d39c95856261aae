import COpenSSL
import Glibc

/// A certificate with its key, made for a test; deleted with it.
final class TestCertificate: @unchecked Sendable {
    let certificate: OpaquePointer
    let key: OpaquePointer

    /// - Parameters:
    ///   - names: DNS names.
    ///   - subject: Its common name; nil for the first name.
    ///   - issuer: Who signs it; nil for itself.
    ///   - validSeconds: From when to when, counted from now.
    init(
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
        if !isAuthority { extend(NID_subject_alt_name, names.map { "DNS:\($0)" }.joined(separator: ",")) }
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

    /// PEM.
    var certificateText: String { text { PEM_write_bio_X509($0, certificate) } }
    /// PEM, PKCS #8.
    var keyText: String { text { PEM_write_bio_PKCS8PrivateKey($0, key, nil, nil, 0, nil, nil) } }
    /// PEM, PKCS #8, encrypted with a password.
    var encryptedKeyText: String {
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

/// A directory that is deleted with its contents.
final class TemporaryDirectory: Sendable {
    let path: String

    init() {
        var template = Array("/tmp/tandem-XXXXXX".utf8CString)
        precondition(mkdtemp(&template) != nil, "mkdtemp: errno \(errno)")
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        for name in names { unlink("\(path)/\(name)") }
        rmdir(path)
    }

    /// What is in it.
    var names: [String] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// Writes a file, in place of one that is there, and returns its path.
    @discardableResult
    func write(_ name: String, _ text: String, mode: mode_t = 0o600) -> String {
        let file = "\(path)/\(name)"
        unlink(file)
        let fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, mode)
        precondition(fd >= 0, "open: errno \(errno)")
        defer { close(fd) }
        let bytes = Array(text.utf8)
        precondition(Glibc.write(fd, bytes, bytes.count) == bytes.count)
        return file
    }
}
