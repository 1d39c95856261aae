internal import COpenSSL

/// An error in TLS settings or in a file that they name, in a handshake, or in an established connection. The message names the
/// file or the peer, the fault and the remedy.
public struct TLSError: Error, Sendable, CustomStringConvertible {
    /// The kind of error. Later versions may add kinds, so a `switch` needs a `default`.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        enum Value: String {
            case noCertificate, unreadableFile, malformedFile, encryptedKey, keyMismatch, unacceptable, noAuthorities
            case wrongHost, unknownAuthority, certificateExpired, certificateNotYetValid, invalidCertificate
            case notTLS, handshakeRefused, refusedByPeer, endedInHandshake
            case truncated, protocolViolation, unreadBytes
        }
        let value: Value

        /// TLS is requested, but no certificate is configured.
        public static let noCertificate = Code(value: .noCertificate)
        /// A file is missing or cannot be read; `errno` has the reason.
        public static let unreadableFile = Code(value: .unreadableFile)
        /// A file is not a PEM file of the expected kind.
        public static let malformedFile = Code(value: .malformedFile)
        /// A private key is encrypted, and the server has no password for it.
        public static let encryptedKey = Code(value: .encryptedKey)
        /// A private key belongs to another certificate.
        public static let keyMismatch = Code(value: .keyMismatch)
        /// OpenSSL refuses a certificate, a key or a setting, for example because the key is too weak.
        public static let unacceptable = Code(value: .unacceptable)
        /// Client certificates are requested, but no authority to check them against is configured.
        public static let noAuthorities = Code(value: .noAuthorities)

        /// The certificate of the server is for other hosts than the one that the client connects to.
        public static let wrongHost = Code(value: .wrongHost)
        /// The certificate of the peer leads to no authority that this side trusts.
        public static let unknownAuthority = Code(value: .unknownAuthority)
        /// The certificate of the peer, or one in its chain, has expired.
        public static let certificateExpired = Code(value: .certificateExpired)
        /// The certificate of the peer, or one in its chain, is not valid yet, or a clock is wrong.
        public static let certificateNotYetValid = Code(value: .certificateNotYetValid)
        /// The certificate of the peer is not acceptable for another reason, such as its purpose or its key.
        public static let invalidCertificate = Code(value: .invalidCertificate)

        /// The peer does not speak TLS.
        public static let notTLS = Code(value: .notTLS)
        /// This side refuses the peer's handshake, for example because there is no version or cipher in common, or because the client
        /// has sent no certificate.
        public static let handshakeRefused = Code(value: .handshakeRefused)
        /// The peer refuses this side with an alert: in the handshake, or for a client's certificate in TLS 1.3, on a later read.
        public static let refusedByPeer = Code(value: .refusedByPeer)
        /// The peer ended the connection in the middle of the handshake.
        public static let endedInHandshake = Code(value: .endedInHandshake)

        /// The peer ended the connection without close_notify (RFC 8446, 6.1): an attacker may have cut the stream short.
        public static let truncated = Code(value: .truncated)
        /// The peer sent something that is not valid TLS, or more messages without data than this side accepts.
        public static let protocolViolation = Code(value: .protocolViolation)
        /// The plain stream has bytes that arrived before TLS began and that the application did not read.
        public static let unreadBytes = Code(value: .unreadBytes)

        /// The name of the static member.
        public var description: String { value.rawValue }
    }

    /// The kind of error.
    public let code: Code
    /// One sentence that names the file, the fault and the remedy.
    public let message: String
    /// The path of the file, if the error is about one.
    public let file: String?
    /// The errno of the system call that failed, or 0.
    public let errno: CInt

    package init(_ code: Code, _ message: String, file: String? = nil, errno: CInt = 0) {
        self.code = code
        self.message = message
        self.file = file
        self.errno = errno
    }

    /// The message.
    public var description: String { message }
}

/// OpenSSL's error queue; each thread has one. Clear it before a call, so that it holds only the errors of that call.
enum OpenSSLErrors {
    /// Empties the queue. It is nearly always empty, and that check costs a fifth of the time of clearing it.
    static func clear() { if ERR_peek_error() != 0 { ERR_clear_error() } }

    /// Returns the cause of a failure, which is the oldest error, and empties the queue.
    static func take() -> (code: UInt, reason: String) {
        let error = ERR_get_error()
        ERR_clear_error()
        let reason = ERR_reason_error_string(error).map { String(cString: $0) }
        return (error, reason ?? (error == 0 ? "no reason given" : "error \(String(error, radix: 16))"))
    }
}
