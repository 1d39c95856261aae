internal import COpenSSL
internal import TandemTesting

/// The server's end of TLS 1.3 without a socket, which can send what `TLSStream` never sends.
final class TLSServerEnd {
    private let context = SSL_CTX_new(TLS_server_method())!
    private let ssl: OpaquePointer
    private let incoming = BIO_new(BIO_s_mem())!
    private let outgoing = BIO_new(BIO_s_mem())!

    init(_ certificate: TestCertificate = .localhost) {
        SSL_CTX_use_certificate(context, certificate.certificate)
        SSL_CTX_use_PrivateKey(context, certificate.key)
        ssl = SSL_new(context)
        SSL_set_bio(ssl, incoming, outgoing)
        SSL_set_accept_state(ssl)
    }

    deinit {
        SSL_free(ssl)
        SSL_CTX_free(context)
    }

    /// Takes bytes that have arrived, and continues the handshake. Returns whether it is over.
    func handshake(_ bytes: [UInt8]) -> Bool {
        BIO_write(incoming, bytes, CInt(bytes.count))
        return SSL_do_handshake(ssl) == 1
    }

    func seal(_ bytes: [UInt8]) -> [UInt8] {
        precondition(SSL_write(ssl, bytes, CInt(bytes.count)) == bytes.count)
        return taken()
    }

    func keyUpdate() -> [UInt8] {
        SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED)
        SSL_do_handshake(ssl)
        return taken()
    }

    /// Returns the bytes to send.
    func taken() -> [UInt8] {
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 65_536)
        while case let count = BIO_read(outgoing, &piece, CInt(piece.count)), count > 0 { bytes += piece[..<Int(count)] }
        return bytes
    }
}
