internal import COpenSSL
internal import Glibc

/// An SSL_CTX of OpenSSL with one certificate.
final class SSLContextHandle {
    let pointer: OpaquePointer

    /// Creates a context with the fixed settings that `TLSConfiguration` describes and this minimum version, without a
    /// certificate.
    init(_ minimum: TLSConfiguration.Version) throws(TLSError) {
        OpenSSLErrors.clear()
        guard let pointer = SSL_CTX_new(TLS_server_method()) else {
            throw TLSError(.unacceptable, "OpenSSL cannot be used: \(OpenSSLErrors.take().reason)")
        }
        self.pointer = pointer
        guard tandem_ssl_ctx_set_minimum_version(pointer, minimum == .tls12 ? TLS1_2_VERSION : TLS1_3_VERSION) == 1,
            SSL_CTX_set_cipher_list(pointer, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1,
            tandem_ssl_ctx_set_groups(pointer, "X25519:P-256:P-384") == 1
        else {
            throw TLSError(
                .unacceptable, "OpenSSL does not support the TLS settings of this server: \(OpenSSLErrors.take().reason)")
        }
        tandem_ssl_ctx_set_options(pointer)
        tandem_ssl_ctx_set_modes(pointer)
        // One system call per record instead of two.
        tandem_ssl_ctx_read_ahead(pointer)
        TLSSession.countMessages(of: pointer)
        // The server keeps no session state: clients resume by tickets.
        tandem_ssl_ctx_disable_cache(pointer)
        SSL_CTX_set_timeout(pointer, TLSTicketKeys.lifetime)
        // By default OpenSSL sends two tickets, and the second costs 4 % of a handshake. Each connection gets a new ticket, so a
        // client that opens several connections at once has as many tickets.
        SSL_CTX_set_num_tickets(pointer, 1)
        SSL_CTX_set_tlsext_ticket_key_evp_cb(pointer, sealTicket)
        SSL_CTX_set_alpn_select_cb(pointer, chooseProtocol, nil)
        tandem_ssl_ctx_on_server_name(pointer, chooseCertificate)
    }

    deinit { SSL_CTX_free(pointer) }

    /// Reads a certificate and its key.
    func use(_ certificate: TLSConfiguration.Certificate) throws(TLSError) {
        let chain = try PEMFile.certificates(certificate.chain).all.map { X509Handle(owning: $0) }
        let key = try PEMFile.privateKey(certificate.key)
        defer { EVP_PKEY_free(key) }
        OpenSSLErrors.clear()
        guard X509_check_private_key(chain[0].pointer, key) == 1 else {
            OpenSSLErrors.clear()
            throw TLSError(
                .keyMismatch,
                "the key in \(certificate.key) does not match the first certificate in \(certificate.chain): the server's own must come first",
                file: certificate.key)
        }
        guard SSL_CTX_use_certificate(pointer, chain[0].pointer) == 1,
            chain.dropFirst().allSatisfy({ tandem_ssl_ctx_add_chain(pointer, $0.pointer) == 1 })
        else { throw refused(certificate.chain) }
        guard SSL_CTX_use_PrivateKey(pointer, key) == 1 else { throw refused(certificate.key) }
    }

    private func refused(_ path: String) -> TLSError {
        TLSError(.unacceptable, "OpenSSL refuses what is in \(path): \(OpenSSLErrors.take().reason)", file: path)
    }

    /// Sets whether the server asks clients for certificates.
    func verify(_ clients: ClientVerification) {
        SSL_CTX_set_session_id_context(pointer, clients.fingerprint, CUnsignedInt(clients.fingerprint.count))
        guard let mode = clients.mode else { return }
        for authority in clients.authorities {
            X509_STORE_add_cert(SSL_CTX_get_cert_store(pointer), authority.pointer)
            SSL_CTX_add_client_CA(pointer, authority.pointer)
        }
        SSL_CTX_set_verify(pointer, mode, nil)
    }

    /// Returns whether the certificate is for this name, either exactly or, with `byWildcard`, also by a wildcard.
    func has(_ name: UnsafePointer<CChar>, byWildcard: Bool) -> Bool {
        let flags = X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | (byWildcard ? 0 : X509_CHECK_FLAG_NO_WILDCARDS)
        return X509_check_host(SSL_CTX_get0_certificate(pointer), name, 0, CUnsignedInt(flags), nil) == 1
    }

    /// The time until the certificate ends, to the second; negative when it has ended. nil if OpenSSL cannot read its end.
    var remainingLifetime: Duration? {
        var (days, seconds): (CInt, CInt) = (0, 0)
        guard ASN1_TIME_diff(&days, &seconds, nil, X509_get0_notAfter(SSL_CTX_get0_certificate(pointer))) == 1 else { return nil }
        return .seconds(Int64(days) * 86_400 + Int64(seconds))
    }

    /// The second half of a sentence that begins with "the certificate …", if clients will refuse the certificate because of
    /// its dates; otherwise nil.
    var validityWarning: String? {
        let certificate = SSL_CTX_get0_certificate(pointer)
        if X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0 { return "has expired: clients will refuse it" }
        if X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0 { return "is not valid yet: clients will refuse it" }
        return nil
    }
}

// MARK: OpenSSL's callbacks during a handshake

/// Chooses the certificate by name (RFC 6066, 3). A client that asks for an unknown name gets the default certificate, and
/// decides whether to accept it.
private let chooseCertificate: @convention(c) (OpaquePointer?, UnsafeMutablePointer<CInt>?, UnsafeMutableRawPointer?) -> CInt = {
    ssl, _, _ in
    guard let ssl, let name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name),
        TLSSession.owner(of: ssl).context.choose(for: name, ssl)
    else { return SSL_TLSEXT_ERR_NOACK }
    return SSL_TLSEXT_ERR_OK
}

/// Chooses the first of the server's protocols that the client offers (RFC 7301, 3.2), and refuses a client that offers none.
private let chooseProtocol:
    @convention(c) (
        OpaquePointer?, UnsafeMutablePointer<UnsafePointer<UInt8>?>?, UnsafeMutablePointer<UInt8>?, UnsafePointer<UInt8>?,
        CUnsignedInt, UnsafeMutableRawPointer?
    ) -> CInt = { _, chosen, length, offered, count, _ in
        guard let chosen, let length, let offered else { return SSL_TLSEXT_ERR_ALERT_FATAL }
        for ours: StaticString in ["http/1.1", "http/1.0"] {
            var index = 0
            while index < Int(count) {
                let size = Int(offered[index])
                guard index + 1 + size <= Int(count) else { break }
                if size == ours.utf8CodeUnitCount, memcmp(offered + index + 1, ours.utf8Start, size) == 0 {
                    // Points into the client's message, which outlives this call.
                    chosen.pointee = offered + index + 1
                    length.pointee = UInt8(size)
                    return SSL_TLSEXT_ERR_OK
                }
                index += 1 + size
            }
        }
        return SSL_TLSEXT_ERR_ALERT_FATAL
    }

/// Encrypts or decrypts a ticket, SSL_CTX_set_tlsext_ticket_key_evp_cb(3). Returns 1 to continue, 2 to continue and renew the
/// ticket, 0 for a full handshake, and -1 to fail.
private let sealTicket:
    @convention(c) (
        OpaquePointer?, UnsafeMutablePointer<UInt8>?, UnsafeMutablePointer<UInt8>?, OpaquePointer?, OpaquePointer?, CInt
    ) -> CInt = { ssl, name, iv, cipher, mac, isSealing in
        guard let ssl, let name, let iv, let cipher, let mac else { return -1 }
        let keys = TLSSession.owner(of: ssl).context.ticketKeys
        if isSealing != 0 {
            let key = keys.current()
            name.update(from: key.name, count: TLSTicketKeys.Key.nameLength)
            guard RAND_bytes(iv, 16) == 1 else { return -1 }
            return tandem_ticket_prepare(cipher, mac, keys.algorithm, key.cipher, key.mac, iv, 1) == 1 ? 1 : -1
        }
        guard let (key, isOld) = keys.named(UnsafeBufferPointer(start: name, count: TLSTicketKeys.Key.nameLength)) else {
            return 0
        }
        guard tandem_ticket_prepare(cipher, mac, keys.algorithm, key.cipher, key.mac, iv, 0) == 1 else { return -1 }
        return isOld ? 2 : 1
    }
