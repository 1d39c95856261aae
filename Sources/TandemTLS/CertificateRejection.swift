internal import COpenSSL

/// The reason why a certificate of the peer is not accepted. A class, because nearly no connection has one.
final class CertificateRejection {
    /// OpenSSL's code, X509_V_ERR_….
    let code: CInt
    /// OpenSSL's words for the code.
    let reason: String
    /// The subject and the issuer of the certificate.
    let subject: String
    let issuer: String
    /// The names and addresses that the certificate is for, as OpenSSL prints them.
    let hosts: String
    /// The time from which, and until which, the certificate is valid.
    let start: String
    let end: String

    /// Copies the reason out of OpenSSL's context for the verification.
    init(in store: OpaquePointer) {
        code = X509_STORE_CTX_get_error(store)
        reason = String(cString: X509_verify_cert_error_string(Int(code)))
        guard let certificate = X509_STORE_CTX_get_current_cert(store) else {
            (subject, issuer, hosts, start, end) = ("", "", "", "", "")
            return
        }
        subject = CertificateText.subject(of: certificate)
        issuer = CertificateText.printed { _ = tandem_x509_print_name($0, X509_get_issuer_name(certificate)) }
        hosts = CertificateText.printed { tandem_x509_print_hosts($0, certificate) }
        start = CertificateText.printed { ASN1_TIME_print($0, X509_get0_notBefore(certificate)) }
        end = CertificateText.printed { ASN1_TIME_print($0, X509_get0_notAfter(certificate)) }
    }
}

/// The parts of certificates as text.
enum CertificateText {
    /// Returns the subject in the form of RFC 4514.
    static func subject(of certificate: OpaquePointer) -> String {
        printed { _ = tandem_x509_print_name($0, X509_get_subject_name(certificate)) }
    }

    /// Returns what `body` prints, at most 1,024 bytes, without control characters: the certificate may be anybody's.
    static func printed(_ body: (OpaquePointer) -> Void) -> String {
        guard let bio = BIO_new(BIO_s_mem()) else { return "" }
        defer { BIO_free(bio) }
        body(bio)
        var text = [UInt8](repeating: 0, count: 1_024)
        let count = BIO_read(bio, &text, CInt(text.count))
        return String(decoding: text.prefix(max(0, Int(count))).map { $0 < 0x20 || $0 == 0x7f ? 0x3f : $0 }, as: UTF8.self)
    }
}
