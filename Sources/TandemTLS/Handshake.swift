internal import COpenSSL
internal import Tandem

/// The handshake of a `TLSStream`, and the words for its failures.
struct Handshake {
    /// The other end, for messages.
    private let peer: String
    private let isClient: Bool
    /// The name that the server's certificate must have.
    private let host: String
    /// The place of the trusted authorities, for messages.
    private let trusted: String

    init(_ peer: String, isClient: Bool, host: String, trusted: String) {
        (self.peer, self.isClient, self.host, self.trusted) = (peer, isClient, host, trusted)
    }

    /// Runs the handshake over a connected stream. If it fails, closes the descriptor of the stream, unless the stream still has it.
    func run(
        over stream: SocketStream, _ call: StaticString, _ deadline: Deadline,
        _ begin: (Descriptor) throws(TandemError) -> TLSSession
    ) async throws -> TLSStream {
        try stream.hub.checkIsCurrent(call)
        guard stream.buffer.count == 0 else {
            throw TLSError(
                .unreadBytes,
                """
                \(call): \(peer) sent \(stream.buffer.count) bytes in the clear that were not read: an attacker may have put them there \
                to be taken for bytes under TLS, so the connection was closed
                """)
        }
        let descriptor = try stream.handOver(call)
        let session: TLSSession
        do throws(TandemError) { session = try begin(descriptor) } catch {
            descriptor.close()
            throw error
        }
        do {
            try await complete(session, deadline)
        } catch {
            session.close()
            throw error
        }
        return TLSStream(session, session.details!, over: stream, peerName: peer)
    }

    private func complete(_ session: TLSSession, _ deadline: Deadline) async throws {
        let end = min(deadline, .after(session.handshakeTimeout))
        do {
            while true {
                let direction = try session.advanceHandshake()
                if try !session.flushRest() {
                    try await session.descriptor.wait(for: .writable, deadline: end)
                } else if let direction {
                    try await session.descriptor.wait(for: direction, deadline: end)
                } else {
                    return
                }
            }
        } catch let error as TLSHandshakeError {
            throw explanation(of: error, session)
        } catch let error as TandemError where error.code == .timedOut {
            throw TandemError(
                .timedOut,
                "the TLS handshake with \(peer) took too long: \(isClient ? "check that the port speaks TLS" : "it may not speak TLS")"
            )
        }
    }

    private func explanation(of error: TLSHandshakeError, _ session: TLSSession) -> any Error {
        if let rejection = session.rejection { return explanation(of: rejection) }
        return switch error.kind {
        case .ended:
            session.lastFailure
                ?? TLSError(.endedInHandshake, "the TLS handshake with \(peer) failed: \(error.reason)") as any Error
        case .plainHTTP, .notTLS:
            TLSError(
                .notTLS,
                isClient
                    ? "\(peer) does not speak TLS (\(error.reason)): check the port, or whether the protocol begins in the clear"
                    : "\(peer) does not speak TLS (\(error.reason))")
        case .alert:
            TLSError(.refusedByPeer, "\(peer) refused the TLS handshake: \(error.reason)")
        case .refused:
            TLSError(.handshakeRefused, "the TLS handshake with \(peer) failed: \(error.reason)")
        }
    }

    /// Returns the error for a certificate that was not accepted: the peer, the reason and the remedy.
    private func explanation(of rejection: CertificateRejection) -> TLSError {
        let certificate = "the certificate of \(peer)"
        return switch rejection.code {
        case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH:
            TLSError(
                .wrongHost,
                """
                \(certificate) is not for \(host), but for \(rejection.hosts.isEmpty ? "no host" : rejection.hosts): connect by one of \
                its names, or install a certificate for \(host)
                """)
        case X509_V_ERR_CERT_HAS_EXPIRED:
            TLSError(
                .certificateExpired,
                "\(certificate) has expired (\(rejection.subject), \(rejection.end)): install a renewed one, or check this machine's clock"
            )
        case X509_V_ERR_CERT_NOT_YET_VALID:
            TLSError(
                .certificateNotYetValid,
                "\(certificate) is not valid yet (\(rejection.subject), \(rejection.start)): check this machine's clock")
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,
            X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
            X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
            TLSError(
                .unknownAuthority,
                """
                \(certificate) leads to the authority \(rejection.issuer), which is not in \(trusted) (\(rejection.reason)): \
                \(isClient ? "name a file with it in TLSClientConfiguration.authorities" : "add it to TLSConfiguration.clientAuthorities"), \
                or send the missing intermediate certificates
                """)
        default:
            TLSError(.invalidCertificate, "\(certificate) is not acceptable: \(rejection.reason) (\(rejection.subject))")
        }
    }
}
