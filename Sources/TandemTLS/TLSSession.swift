internal import COpenSSL
internal import Glibc
package import Tandem

/// TLS on one connection, at either end. Used only on its hub.
///
/// OpenSSL reads and writes through a custom BIO that calls the `Descriptor`. This avoids the copies of memory BIOs, uses the
/// readiness that the hub knows, and sends with MSG_NOSIGNAL, which OpenSSL's own socket BIO does not.
package final class TLSSession {
    package let descriptor: Descriptor
    /// The maximum time for the handshake.
    package let handshakeTimeout: Duration
    /// The server's context that the session began with, which a reload does not change; nil at the client's end.
    let context: TLSContext?
    private var ssl: OpaquePointer?
    /// Whether the handshake is over, nothing has failed since, and "close notify" was not sent.
    private(set) var isOpen = false
    /// Whether the handshake was completed.
    private var isEstablished = false
    // Stored apart from `readWaitsFor` and `writeWaitsFor`: reading a stored property of another module checks for exclusivity.
    private var directionToRead = Descriptor.Direction.readable
    private var directionToWrite = Descriptor.Direction.writable
    /// Whether the peer has ended its TCP stream. OpenSSL is not told: it treats an end without "close notify" as fatal for
    /// both directions, but such a client may still read its answer. HTTP's own framing shows whether a message was cut short
    /// (RFC 9112 section 9.8); `TLSStream` uses `hasPeerNotified`.
    private(set) var hasPeerEnded = false
    /// Whether FIN will follow the bytes that are sent now, so that both can go out in one segment.
    private var moreFollows = false
    /// The number of TLS messages since the peer last sent data. After the handshake these are KeyUpdates, each of which costs
    /// about 20 µs, and tickets.
    private var messagesWithoutData = 0
    /// The maximum of `messagesWithoutData`, the same as in BoringSSL.
    private static let mostMessagesWithoutData = 32
    /// The number of bytes that have arrived since the peer last sent data.
    private var bytesWithoutData = 0
    /// The maximum of `bytesWithoutData`, far more than the longest message.
    private static let mostBytesWithoutData = 1 << 20
    /// The number of bytes that the present call into OpenSSL has received, and the number after which it returns. Otherwise a call would
    /// last for as long as the peer sends records without data.
    private var received = 0
    private static let mostReceived = 65_536
    /// The reason why the last system call under OpenSSL failed, or why the session had to end.
    private var failure: TandemError?
    /// Whether OpenSSL may hold received bytes that the last read did not return.
    private(set) var mayHoldInput = true
    /// The first breach of the protocol by the peer, or its alert.
    private(set) var violation: (isAlert: Bool, reason: String)?
    /// The reason why the certificate of the peer was not accepted.
    var rejection: CertificateRejection?

    /// Whether the session takes over the rest of a record of which the socket took a part. Otherwise OpenSSL does, and wants the
    /// same bytes again before anything else is written.
    private let keepsRest: Bool
    /// The sealed bytes that the socket has not taken yet. Only with `keepsRest`.
    private var rest: [UInt8] = []
    /// The largest `rest` to which more is added: key updates, for a peer that does not read.
    private static let mostRest = 65_536

    /// Creates the server's end. Throws `TandemError` when there is no memory; the caller then keeps the descriptor.
    ///
    /// - Parameter keepsRest: Whether a write that was interrupted may be followed by other bytes, and a write may be under way
    ///   while another caller reads.
    package convenience init(
        _ descriptor: Descriptor, _ context: TLSContext, keepsRest: Bool = false
    ) throws(TandemError) {
        try self.init(
            descriptor, context.newSession(), server: context, handshakeTimeout: context.handshakeTimeout, keepsRest: keepsRest)
    }

    /// Creates the client's end, which accepts only a certificate for `host`. It keeps the rest of records.
    convenience init(_ descriptor: Descriptor, _ context: TLSClientContext, host: String) throws(TandemError) {
        OpenSSLErrors.clear()
        guard let ssl = context.newSession(host: host, isAddress: IPAddress(host) != nil) else {
            throw TandemError(.invalidArgument, "OpenSSL cannot check certificates for this host: \(OpenSSLErrors.take().reason)")
        }
        try self.init(descriptor, ssl, server: nil, handshakeTimeout: context.handshakeTimeout, keepsRest: true)
    }

    private init(
        _ descriptor: Descriptor, _ ssl: OpaquePointer?, server: TLSContext?, handshakeTimeout: Duration, keepsRest: Bool
    ) throws(TandemError) {
        guard let ssl, let bio = BIO_new(DescriptorBIO.method) else {
            if let ssl { SSL_free(ssl) }
            throw TandemError(.systemCall, "no memory for a TLS connection", errno: ENOMEM)
        }
        self.descriptor = descriptor
        self.handshakeTimeout = handshakeTimeout
        self.keepsRest = keepsRest
        context = server
        self.ssl = ssl
        tandem_ssl_set_owner(ssl, Unmanaged.passUnretained(self).toOpaque())
        BIO_set_data(bio, Unmanaged.passUnretained(self).toOpaque())
        BIO_set_init(bio, 1)
        SSL_set_bio(ssl, bio, bio)
    }

    deinit { if let ssl { SSL_free(ssl) } }

    /// Returns the session that owns `ssl`.
    static func owner(of ssl: OpaquePointer) -> TLSSession {
        Unmanaged<TLSSession>.fromOpaque(tandem_ssl_owner(ssl)!).takeUnretainedValue()
    }

    // MARK: Handshake

    /// Continues the handshake as far as possible without waiting. Returns nil when it is complete, otherwise the direction to
    /// wait for. Throws `TLSHandshakeError`.
    package func advanceHandshake() throws(TLSHandshakeError) -> Descriptor.Direction? {
        guard let ssl else { throw TLSHandshakeError(.ended, "closed") }
        OpenSSLErrors.clear()
        received = 0
        let result = SSL_do_handshake(ssl)
        if result == 1 {
            isOpen = true
            isEstablished = true
            return nil
        }
        switch SSL_get_error(ssl, result) {
        case SSL_ERROR_WANT_READ where hasPeerEnded:
            throw TLSHandshakeError(.ended, "the peer ended the connection in the middle of the handshake")
        case SSL_ERROR_WANT_READ: return .readable
        case SSL_ERROR_WANT_WRITE: return .writable
        default:
            if let failure { throw TLSHandshakeError(.ended, failure.message) }
            let (code, reason) = OpenSSLErrors.take()
            throw TLSHandshakeError(TLSHandshakeError.Kind(of: code), reason)
        }
    }

    /// The result of the handshake; nil before its end, and after the connection has closed.
    package var details: TLSDetails? {
        guard let ssl, isOpen else { return nil }
        return TLSDetails(of: ssl)
    }

    // MARK: Bytes

    /// The direction to wait for after a read that returned nil.
    package var readWaitsFor: Descriptor.Direction { directionToRead }

    /// The direction to wait for after a write that returned nil.
    package var writeWaitsFor: Descriptor.Direction { directionToWrite }

    /// Reads decrypted bytes, as `Descriptor.readAvailable`. Returns nil if the caller has to wait for `readWaitsFor`.
    package func readAvailable(into buffer: UnsafeMutableRawBufferPointer) throws(TandemError) -> Int? {
        guard let ssl else { throw TandemError(.closed, "this connection is closed") }
        guard !buffer.isEmpty else { return 0 }
        OpenSSLErrors.clear()
        received = 0
        let got = SSL_read(ssl, buffer.baseAddress, CInt(clamping: buffer.count))
        mayHoldInput = got > 0 || received >= TLSSession.mostReceived
        if got > 0 {
            (messagesWithoutData, bytesWithoutData) = (0, 0)
            return Int(got)
        }
        switch SSL_get_error(ssl, got) {
        case SSL_ERROR_ZERO_RETURN:
            if violation != nil { throw failure ?? TandemError(.closed, "TLS read: the session has failed") }
            return 0
        case SSL_ERROR_WANT_READ:
            if hasPeerEnded { return 0 }
            directionToRead = .readable
        case SSL_ERROR_WANT_WRITE:
            // The rest that OpenSSL waits for can no longer be sent.
            if let failure { throw failure }
            directionToRead = .writable
        default: throw broken("read")
        }
        return nil
    }

    /// Encrypts and writes bytes, as `Descriptor.writeAvailable`. Returns nil if the caller has to wait for `writeWaitsFor`.
    package func writeAvailable(_ buffer: UnsafeRawBufferPointer) throws(TandemError) -> Int? {
        guard let ssl else { throw TandemError(.closed, "this connection is closed") }
        guard !buffer.isEmpty else { return 0 }
        OpenSSLErrors.clear()
        received = 0
        let put = SSL_write(ssl, buffer.baseAddress, CInt(clamping: buffer.count))
        noticeInput()
        if put > 0 {
            directionToWrite = .writable
            return Int(put)
        }
        switch SSL_get_error(ssl, put) {
        case SSL_ERROR_WANT_WRITE: directionToWrite = .writable
        case SSL_ERROR_WANT_READ where hasPeerEnded:
            // The socket stays readable after the end, so a caller that waited for it would loop forever.
            isOpen = false
            throw TandemError(.closed, "TLS write: the peer ended the connection in the middle of a handshake message")
        case SSL_ERROR_WANT_READ: directionToWrite = .readable
        default: throw broken("write")
        }
        return nil
    }

    /// Wakes a reader if the call into OpenSSL, which was not a read, has received something: the bytes are not in the socket any more.
    private func noticeInput() {
        guard received > 0 else { return }
        mayHoldInput = true
        descriptor.wakeReader()
    }

    private func broken(_ call: String) -> TandemError {
        isOpen = false
        let (code, reason) = OpenSSLErrors.take()
        if violation == nil, code != 0 || failure == nil { violation = (tandem_error_is_alert(code) == 1, reason) }
        if let failure { return failure }
        return TandemError(.closed, "TLS \(call): \(reason)")
    }

    /// Whether the peer has sent "close notify", and may send nothing more.
    var hasPeerNotified: Bool { ssl.map { SSL_get_shutdown($0) & SSL_RECEIVED_SHUTDOWN != 0 } == true && violation == nil }

    /// The reason why the last system call under OpenSSL failed; nil if none has.
    var lastFailure: TandemError? { failure }

    /// Whether the session was released.
    var isReleased: Bool { ssl == nil }

    /// Whether sealed bytes wait for the socket.
    var hasRest: Bool { !rest.isEmpty }

    /// Sends the sealed bytes that the socket has not taken yet. Returns false if some are left: the caller has to wait for
    /// `writeWaitsFor`.
    func flushRest() throws(TandemError) -> Bool {
        guard hasRest else { return true }
        var sent = 0
        defer { rest.removeFirst(sent) }
        do throws(TandemError) {
            while sent < rest.count {
                let put = try rest.withUnsafeBufferPointer { [sent] bytes throws(TandemError) in
                    try descriptor.writeAvailable(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: bytes[sent...])))
                }
                guard let put else {
                    directionToWrite = .writable
                    return false
                }
                sent += put
            }
        } catch {
            failure = error
            throw error
        }
        return true
    }

    // MARK: Ending

    /// Receives the rest of a handshake message, without which "close notify" cannot be sent. Returns false if the caller has to wait for
    /// `writeWaitsFor`. Throws if the session has failed.
    func prepareNotify() throws(TandemError) -> Bool {
        if violation != nil { throw failure ?? TandemError(.closed, "TLS close: the session has failed") }
        guard let ssl, SSL_in_init(ssl) == 1, !hasPeerEnded else { return true }
        OpenSSLErrors.clear()
        received = 0
        let result = SSL_do_handshake(ssl)
        noticeInput()
        if result == 1 { return true }
        switch SSL_get_error(ssl, result) {
        case SSL_ERROR_WANT_READ where hasPeerEnded: return true
        case SSL_ERROR_WANT_READ: directionToWrite = .readable
        case SSL_ERROR_WANT_WRITE: directionToWrite = .writable
        default: throw broken("close")
        }
        return false
    }

    /// Sends "close notify" if the socket takes it. The caller then shuts down the output, so that both leave in one segment.
    package func sendCloseNotify() {
        guard let ssl, isOpen else { return }
        isOpen = false
        moreFollows = true
        OpenSSLErrors.clear()
        _ = SSL_shutdown(ssl)
        OpenSSLErrors.clear()
    }

    /// Sends "close notify" if the socket takes it, frees OpenSSL's state and closes the descriptor.
    func close() {
        sendCloseNotify()
        release()
        descriptor.close()
    }

    /// Frees OpenSSL's state. The descriptor stays as it is.
    package func release() {
        isOpen = false
        if let ssl { SSL_free(ssl) }
        ssl = nil
    }

    // MARK: Calls from OpenSSL

    /// Counts a TLS message, and ends the session if the peer sends too many without data. Otherwise a single `SSL_read` would
    /// run for as long as the peer continues.
    fileprivate func messageArrived() {
        guard isEstablished, let ssl else { return }
        messagesWithoutData += 1
        // A message takes as long as it takes to read some data.
        descriptor.hub.charge(bytes: 65_536)
        guard messagesWithoutData > TLSSession.mostMessagesWithoutData else { return }
        refuse("\(messagesWithoutData) messages in a row without data")
        // OpenSSL looks at this before the next record, and returns from SSL_read.
        SSL_set_shutdown(ssl, SSL_RECEIVED_SHUTDOWN)
    }

    private func refuse(_ reason: String) {
        isOpen = false
        violation = (false, reason)
        failure = TandemError(.closed, "TLS read: \(reason)")
    }

    /// Counts the messages that arrive on sessions of this context.
    static func countMessages(of context: OpaquePointer) {
        SSL_CTX_set_info_callback(context) { ssl, event, _ in
            guard event == SSL_CB_ACCEPT_LOOP || event == SSL_CB_CONNECT_LOOP, let ssl, let owner = tandem_ssl_owner(ssl) else {
                return
            }
            Unmanaged<TLSSession>.fromOpaque(owner).takeUnretainedValue().messageArrived()
        }
    }

    fileprivate func receive(_ bio: OpaquePointer, into buffer: UnsafeMutableRawBufferPointer) -> CInt {
        guard received < TLSSession.mostReceived else {
            tandem_bio_retry_read(bio)
            return -1
        }
        do throws(TandemError) {
            if let got = try descriptor.readAvailable(into: buffer) {
                if got > 0 {
                    received += got
                    bytesWithoutData += got
                    if isEstablished, bytesWithoutData > TLSSession.mostBytesWithoutData {
                        refuse("\(bytesWithoutData) bytes in a row without data")
                        return -1
                    }
                    return CInt(got)
                }
                hasPeerEnded = true
            }
            tandem_bio_retry_read(bio)
        } catch {
            failure = error
        }
        return -1
    }

    fileprivate func send(_ bio: OpaquePointer, _ buffer: UnsafeRawBufferPointer) -> CInt {
        if !hasRest, !descriptor.isClosed, moreFollows || !isOpen && ssl.map(tandem_ssl_writes_tickets) == 1 {
            // The kernel holds these bytes back for the next segment, for at most 200 ms. The call below reports a failure.
            let put = Glibc.send(descriptor.fd, buffer.baseAddress, buffer.count, CInt(MSG_NOSIGNAL | MSG_MORE))
            if put > 0 { return CInt(put) }
        }
        do throws(TandemError) {
            if keepsRest { return try sendKeepingRest(bio, buffer) }
            if let put = try descriptor.writeAvailable(buffer) { return CInt(put) }
            tandem_bio_retry_write(bio)
        } catch {
            failure = error
        }
        return -1
    }

    /// Sends what the socket takes, and keeps the rest. Returns the number of bytes, or -1 if too many are kept already.
    private func sendKeepingRest(_ bio: OpaquePointer, _ buffer: UnsafeRawBufferPointer) throws(TandemError) -> CInt {
        guard rest.count < TLSSession.mostRest else {
            tandem_bio_retry_write(bio)
            return -1
        }
        let put = hasRest ? 0 : try descriptor.writeAvailable(buffer) ?? 0
        rest.append(contentsOf: buffer[put...])
        return CInt(buffer.count)
    }
}

/// The BIO between OpenSSL and a session's descriptor.
private enum DescriptorBIO {
    // Made once and never changed.
    nonisolated(unsafe) static let method: OpaquePointer = {
        let method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "tandem descriptor")!
        BIO_meth_set_read(method) { bio, bytes, count in
            guard let bio, let bytes, let session = session(of: bio) else { return -1 }
            tandem_bio_clear_retry(bio)
            return session.receive(bio, into: UnsafeMutableRawBufferPointer(start: bytes, count: Int(count)))
        }
        BIO_meth_set_write(method) { bio, bytes, count in
            guard let bio, let bytes, let session = session(of: bio) else { return -1 }
            tandem_bio_clear_retry(bio)
            return session.send(bio, UnsafeRawBufferPointer(start: bytes, count: Int(count)))
        }
        // The BIO has no buffer, so a flush has nothing to do.
        BIO_meth_set_ctrl(method) { _, command, _, _ in command == BIO_CTRL_FLUSH ? 1 : 0 }
        return method
    }()

    private static func session(of bio: OpaquePointer) -> TLSSession? {
        BIO_get_data(bio).map { Unmanaged<TLSSession>.fromOpaque($0).takeUnretainedValue() }
    }
}

/// The reason why a handshake failed. It ends the connection, and is not an error of the server.
package struct TLSHandshakeError: Error {
    package enum Kind {
        /// The peer has gone.
        case ended
        /// This side refuses the peer: no version, cipher or protocol in common, or an invalid certificate.
        case refused
        /// The peer refuses this side, by an alert.
        case alert
        /// The peer speaks HTTP without TLS.
        case plainHTTP
        /// The peer speaks another protocol without TLS.
        case notTLS

        /// The kind for an error code of OpenSSL.
        init(of code: UInt) {
            guard tandem_error_library(code) == ERR_LIB_SSL else {
                self = .refused
                return
            }
            self =
                switch tandem_error_reason(code) {
                case SSL_R_HTTP_REQUEST: .plainHTTP
                // What follows from the first bytes of a text in place of a record.
                case SSL_R_WRONG_VERSION_NUMBER, SSL_R_PACKET_LENGTH_TOO_LONG, SSL_R_HTTPS_PROXY_REQUEST: .notTLS
                default: tandem_error_is_alert(code) == 1 ? .alert : .refused
                }
        }
    }
    package let kind: Kind
    package let reason: String

    init(_ kind: Kind, _ reason: String) {
        self.kind = kind
        self.reason = reason
    }
}
