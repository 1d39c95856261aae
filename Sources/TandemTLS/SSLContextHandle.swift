internal import COpenSSL
internal import Glibc

/// An SSL_CTX of OpenSSL with the fixed settings that `TLSConfiguration` describes, and at most one certificate.
final class SSLContextHandle {
    /// The end of the connections of a context.
    enum Role { case server, client }

    let pointer: OpaquePointer

    /// Creates a context without a certificate.
    init(_ role: Role, minimum: TLSConfiguration.Version) throws(TLSError) {
        OpenSSLErrors.clear()
        guard let pointer = SSL_CTX_new(role == .server ? TLS_server_method() : TLS_client_method()) else {
            throw TLSError(.unacceptable, "OpenSSL cannot be used: \(OpenSSLErrors.take().reason)")
        }
        self.pointer = pointer
        guard tandem_ssl_ctx_set_minimum_version(pointer, minimum == .tls12 ? TLS1_2_VERSION : TLS1_3_VERSION) == 1,
            SSL_CTX_set_cipher_list(pointer, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1,
            tandem_ssl_ctx_set_groups(pointer, "X25519:P-256:P-384") == 1
        else {
            throw TLSError(.unacceptable, "OpenSSL does not support the TLS settings: \(OpenSSLErrors.take().reason)")
        }
        tandem_ssl_ctx_set_options(pointer)
        tandem_ssl_ctx_set_modes(pointer)
        // One system call per record instead of two.
        tandem_ssl_ctx_read_ahead(pointer)
        TLSSession.countMessages(of: pointer)
        // No session state is kept: clients resume by tickets, if at all.
        tandem_ssl_ctx_disable_cache(pointer)
        if role == .server { tandem_ssl_ctx_on_server_name(pointer, chooseCertificate) }
    }

    deinit { SSL_CTX_free(pointer) }

    // MARK: A server

    /// Lets clients resume sessions by tickets, with the keys of `TLSContext.ticketKeys`.
    func issueTickets() {
        SSL_CTX_set_timeout(pointer, TLSTicketKeys.lifetime)
        // By default OpenSSL sends two tickets, and the second costs 4 % of a handshake. Each connection gets a new ticket, so a
        // client that opens several connections at once has as many tickets.
        SSL_CTX_set_num_tickets(pointer, 1)
        SSL_CTX_set_tlsext_ticket_key_evp_cb(pointer, sealTicket)
    }

    /// Lets no client resume a session.
    func issueNoTickets() {
        tandem_ssl_ctx_disable_tickets(pointer)
        SSL_CTX_set_num_tickets(pointer, 0)
    }

    /// Chooses one of `TLSContext.protocols` by ALPN.
    func chooseProtocols() { SSL_CTX_set_alpn_select_cb(pointer, chooseProtocol, nil) }

    /// Sets whether the server asks clients for certificates.
    func verify(_ clients: ClientVerification) {
        SSL_CTX_set_session_id_context(pointer, clients.fingerprint, CUnsignedInt(clients.fingerprint.count))
        guard let mode = clients.mode else { return }
        for authority in clients.authorities {
            X509_STORE_add_cert(SSL_CTX_get_cert_store(pointer), authority.pointer)
            SSL_CTX_add_client_CA(pointer, authority.pointer)
        }
        SSL_CTX_set_verify(pointer, mode, noteRejection)
    }

    // MARK: A client

    /// Accepts servers whose certificates lead to an authority in this file; nil for the system's authorities.
    func trust(_ file: String?) throws(TLSError) {
        SSL_CTX_set_verify(pointer, SSL_VERIFY_PEER, noteRejection)
        guard let file else {
            SSL_CTX_set_default_verify_paths(pointer)
            OpenSSLErrors.clear()
            return
        }
        let authorities = try PEMFile.certificates(file).all.map { X509Handle(owning: $0) }
        let store = SSL_CTX_get_cert_store(pointer)
        for authority in authorities { X509_STORE_add_cert(store, authority.pointer) }
        // An authority in the middle of a chain may be trusted without its own issuer.
        X509_STORE_set_flags(store, UInt(X509_V_FLAG_PARTIAL_CHAIN))
    }

    /// Offers these protocols by ALPN, the preferred one first.
    func offer(_ protocols: [String]) throws(TLSError) {
        var list: [UInt8] = []
        for name in protocols {
            let bytes = try ProtocolNames.checked(name)
            list += [UInt8(bytes.count)] + bytes
        }
        if !list.isEmpty { SSL_CTX_set_alpn_protos(pointer, list, CUnsignedInt(list.count)) }
    }

    // MARK: The certificate

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
                "the key in \(certificate.key) does not match the first certificate in \(certificate.chain): the one that the key belongs to must come first",
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
        TLSSession.owner(of: ssl).context?.choose(for: name, ssl) == true
    else { return SSL_TLSEXT_ERR_NOACK }
    return SSL_TLSEXT_ERR_OK
}

/// Chooses the first of the server's protocols that the client offers (RFC 7301, 3.2), and refuses a client that offers none.
private let chooseProtocol:
    @convention(c) (
        OpaquePointer?, UnsafeMutablePointer<UnsafePointer<UInt8>?>?, UnsafeMutablePointer<UInt8>?, UnsafePointer<UInt8>?,
        CUnsignedInt, UnsafeMutableRawPointer?
    ) -> CInt = { ssl, chosen, length, offered, count, _ in
        guard let ssl, let chosen, let length, let offered, let context = TLSSession.owner(of: ssl).context else {
            return SSL_TLSEXT_ERR_ALERT_FATAL
        }
        for ours in context.protocols {
            var index = 0
            while index < Int(count) {
                let size = Int(offered[index])
                guard index + 1 + size <= Int(count) else { break }
                if ours.elementsEqual(UnsafeBufferPointer(start: offered + index + 1, count: size)) {
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

/// Keeps the reason why a certificate of the peer is not accepted, for the error of the handshake.
private let noteRejection: @convention(c) (CInt, OpaquePointer?) -> CInt = { isAccepted, store in
    guard isAccepted != 1, let store,
        let ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx())
    else { return isAccepted }
    TLSSession.owner(of: OpaquePointer(ssl)).rejection = CertificateRejection(in: store)
    return 0
}

/// Encrypts or decrypts a ticket, SSL_CTX_set_tlsext_ticket_key_evp_cb(3). Returns 1 to continue, 2 to continue and renew the
/// ticket, 0 for a full handshake, and -1 to fail.
private let sealTicket:
    @convention(c) (
        OpaquePointer?, UnsafeMutablePointer<UInt8>?, UnsafeMutablePointer<UInt8>?, OpaquePointer?, OpaquePointer?, CInt
    ) -> CInt = { ssl, name, iv, cipher, mac, isSealing in
        guard let ssl, let name, let iv, let cipher, let mac, let keys = TLSSession.owner(of: ssl).context?.ticketKeys else {
            return -1
        }
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
