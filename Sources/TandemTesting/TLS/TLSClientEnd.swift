internal import COpenSSL
internal import Glibc

// @unchecked: OpenSSL counts the references of a session atomically, and nothing changes it.
/// A session that a client can resume.
package final class TLSClientSession: @unchecked Sendable {
    fileprivate let pointer: OpaquePointer
    fileprivate init(_ pointer: OpaquePointer) { self.pointer = pointer }
    deinit { SSL_SESSION_free(pointer) }
}

/// The client's end of a TLS connection, by OpenSSL, without a socket: bytes in, bytes out.
package final class TLSClientEnd {
    private let context: OpaquePointer
    private let ssl: OpaquePointer
    private let incoming: OpaquePointer
    private let outgoing: OpaquePointer
    /// Whether the server has sent close_notify.
    private(set) package var hasEnded = false
    /// The secret of the client's first keys for application data; nil before the end of the handshake, and before TLS 1.3.
    private(set) package var applicationSecret: [UInt8]?

    package init(_ options: TestTLS) {
        context = SSL_CTX_new(TLS_client_method())!
        _ = SSL_CTX_ctrl(context, SSL_CTRL_SET_MIN_PROTO_VERSION, Int(options.versions.lowerBound), nil)
        _ = SSL_CTX_ctrl(context, SSL_CTRL_SET_MAX_PROTO_VERSION, Int(options.versions.upperBound), nil)
        if let authority = options.authority {
            X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority.certificate)
            SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nil)
        }
        if let certificate = options.certificate {
            SSL_CTX_use_certificate(context, certificate.certificate)
            SSL_CTX_use_PrivateKey(context, certificate.key)
        }
        if let suites = options.cipherSuites { SSL_CTX_set_ciphersuites(context, suites) }
        let protocols = options.protocols.flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) }
        if !protocols.isEmpty { SSL_CTX_set_alpn_protos(context, protocols, CUnsignedInt(protocols.count)) }
        ssl = SSL_new(context)!
        incoming = BIO_new(BIO_s_mem())!
        outgoing = BIO_new(BIO_s_mem())!
        SSL_set_bio(ssl, incoming, outgoing)
        SSL_set_connect_state(ssl)
        if let name = options.serverName {
            var bytes = Array(name.utf8CString)
            _ = SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, Int(TLSEXT_NAMETYPE_host_name), &bytes)
            if options.authority != nil { SSL_set1_host(ssl, name) }
        }
        if let session = options.session { SSL_set_session(ssl, session.pointer) }
        tandem_ssl_set_owner(ssl, Unmanaged.passUnretained(self).toOpaque())
        SSL_CTX_set_keylog_callback(context) { ssl, line in
            guard let ssl, let line else { return }
            Unmanaged<TLSClientEnd>.fromOpaque(tandem_ssl_owner(ssl)!).takeUnretainedValue().logKey(String(cString: line))
        }
    }

    /// Takes one line of OpenSSL's key log: label, client random and secret, the last two in hexadecimal.
    private func logKey(_ line: String) {
        let parts = line.split(separator: " ")
        guard parts.count == 3, parts[0] == "CLIENT_TRAFFIC_SECRET_0" else { return }
        let digits = parts[2].compactMap(\.hexDigitValue)
        applicationSecret = stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
    }

    deinit {
        SSL_free(ssl)
        SSL_CTX_free(context)
    }

    package var version: String { String(cString: SSL_get_version(ssl)) }
    package var isResumed: Bool { SSL_session_reused(ssl) == 1 }
    package var session: TLSClientSession { TLSClientSession(SSL_get1_session(ssl)!) }

    /// The protocol that ALPN selected.
    package var selectedProtocol: String? {
        var name: UnsafePointer<UInt8>?
        var length: CUnsignedInt = 0
        SSL_get0_alpn_selected(ssl, &name, &length)
        return name.map { String(decoding: UnsafeBufferPointer(start: $0, count: Int(length)), as: UTF8.self) }
    }

    /// The common name of the server's certificate.
    package var serverSubject: String {
        guard let certificate = SSL_get0_peer_certificate(ssl) else { return "" }
        var text = [CChar](repeating: 0, count: 256)
        X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, &text, CInt(text.count))
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Continues the handshake as far as the received bytes allow. Returns whether it is over. Throws `TestClientError`.
    package func advanceHandshake() throws -> Bool {
        ERR_clear_error()
        let result = SSL_do_handshake(ssl)
        return try result == 1 || !check(result)
    }

    /// Returns the records to send for these bytes.
    package func seal(_ bytes: [UInt8]) throws -> [UInt8] {
        ERR_clear_error()
        if !bytes.isEmpty { _ = try check(SSL_write(ssl, bytes, CInt(bytes.count))) }
        return taken()
    }

    /// Returns the bytes to send, which may be none.
    package func taken() -> [UInt8] {
        var sealed: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while case let count = BIO_read(outgoing, &buffer, CInt(buffer.count)), count > 0 { sealed += buffer[..<Int(count)] }
        return sealed
    }

    /// Takes bytes that have arrived.
    package func take(_ bytes: some Collection<UInt8>) {
        let bytes = Array(bytes)
        if !bytes.isEmpty { BIO_write(incoming, bytes, CInt(bytes.count)) }
    }

    /// Takes bytes that have arrived. Returns their decrypted content.
    package func open(_ bytes: some Collection<UInt8>) throws -> [UInt8] {
        take(bytes)
        var opened: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            ERR_clear_error()
            let count = SSL_read(ssl, &buffer, CInt(buffer.count))
            if count > 0 { opened += buffer[..<Int(count)] } else if try check(count) { return opened }
        }
    }

    /// Returns a KeyUpdate (RFC 8446, 4.6.3).
    ///
    /// - Parameter asksForOne: Whether the server must answer with one.
    package func keyUpdate(asksForOne: Bool = false) throws -> [UInt8] {
        SSL_key_update(ssl, asksForOne ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED)
        _ = try advanceHandshake()
        return taken()
    }

    /// Returns close_notify.
    package func closeNotify() -> [UInt8] {
        SSL_shutdown(ssl)
        return taken()
    }

    /// Returns whether OpenSSL needs more bytes, or has reached the end.
    private func check(_ result: CInt) throws -> Bool {
        switch SSL_get_error(ssl, result) {
        case SSL_ERROR_NONE: return false
        case SSL_ERROR_WANT_READ: return true
        case SSL_ERROR_ZERO_RETURN:
            hasEnded = true
            return true
        default:
            let reason = ERR_reason_error_string(ERR_get_error()).map { String(cString: $0) }
            throw TestClientError(.tls, reason ?? "unknown")
        }
    }
}
