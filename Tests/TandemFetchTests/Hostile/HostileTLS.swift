import COpenSSL
import Glibc

/// The TLS settings of a `HostileUpstream`: the certificate of `Support/tls.pem`, and one version.
final class HostileTLSContext: @unchecked Sendable {
    fileprivate let pointer: OpaquePointer

    /// - Parameter version: `TLS1_2_VERSION` or `TLS1_3_VERSION`.
    init(version: CInt) {
        pointer = SSL_CTX_new(TLS_server_method())!
        _ = SSL_CTX_ctrl(pointer, SSL_CTRL_SET_MIN_PROTO_VERSION, Int(version), nil)
        _ = SSL_CTX_ctrl(pointer, SSL_CTRL_SET_MAX_PROTO_VERSION, Int(version), nil)
        let loaded = SSL_CTX_use_certificate_chain_file(pointer, Upstream.certificate)
        let keyed = SSL_CTX_use_PrivateKey_file(pointer, Upstream.certificate, SSL_FILETYPE_PEM)
        precondition(loaded == 1 && keyed == 1, "tls.pem cannot be used")
    }

    deinit { SSL_CTX_free(pointer) }
}

/// The server's end of one TLS connection. It does no I/O, so the caller decides which bytes leave, and in
/// which segments. Used by one thread.
final class HostileTLSEnd {
    private let ssl: OpaquePointer
    private let incoming: OpaquePointer
    private let outgoing: OpaquePointer
    /// Whether the client has sent close_notify.
    private(set) var hasEnded = false

    init(_ context: HostileTLSContext) {
        ssl = SSL_new(context.pointer)!
        incoming = BIO_new(BIO_s_mem())!
        outgoing = BIO_new(BIO_s_mem())!
        SSL_set_bio(ssl, incoming, outgoing)
        SSL_set_accept_state(ssl)
    }

    deinit { SSL_free(ssl) }

    /// Whether there is ciphertext that has not been processed.
    var hasInput: Bool { BIO_ctrl_pending(incoming) > 0 }

    /// Takes ciphertext from the network.
    func feed(_ bytes: [UInt8]) { BIO_write(incoming, bytes, CInt(bytes.count)) }

    /// Returns the ciphertext to send.
    func drain() -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Int(BIO_ctrl_pending(outgoing)))
        let count = bytes.isEmpty ? 0 : BIO_read(outgoing, &bytes, CInt(bytes.count))
        return Array(bytes.prefix(Int(max(0, count))))
    }

    /// Advances the handshake. Returns whether it is complete.
    func shakeHands() throws(HostileWireError) -> Bool {
        ERR_clear_error()
        return try proceeds(SSL_do_handshake(ssl))
    }

    /// Returns the plaintext of the ciphertext so far; empty if it ends inside a record.
    func open() throws(HostileWireError) -> [UInt8] {
        var plain: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16 * 1024)
        while true {
            ERR_clear_error()
            let count = SSL_read(ssl, &buffer, CInt(buffer.count))
            guard try proceeds(count) else { return plain }
            plain += buffer.prefix(Int(count))
        }
    }

    /// Encrypts `bytes`, in records of at most 16 KiB. `drain` returns them.
    func seal(_ bytes: [UInt8]) throws(HostileWireError) {
        guard !bytes.isEmpty else { return }
        ERR_clear_error()
        guard try proceeds(SSL_write(ssl, bytes, CInt(bytes.count))) else { throw .failed }
    }

    /// Writes close_notify. `drain` returns it.
    func notifyEnd() { _ = SSL_shutdown(ssl) }

    /// Writes another session ticket (TLS 1.3). `drain` returns it.
    func writeTicket() {
        guard SSL_version(ssl) == TLS1_3_VERSION, SSL_new_session_ticket(ssl) == 1 else { return }
        _ = SSL_do_handshake(ssl)
    }

    /// Whether the call succeeded; false if it needs more input.
    private func proceeds(_ result: CInt) throws(HostileWireError) -> Bool {
        if result > 0 { return true }
        switch SSL_get_error(ssl, result) {
        case SSL_ERROR_WANT_READ: return false
        case SSL_ERROR_ZERO_RETURN:
            hasEnded = true
            return false
        default: throw .failed
        }
    }
}
