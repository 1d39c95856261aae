internal import Logging
internal import Tandem
internal import TandemTLS

/// The TLS handshake of one connection.
struct TLSHandshake {
    enum Outcome {
        case completed
        /// The client speaks HTTP without TLS.
        case plainHTTP
        /// Client and server do not agree. The alert is in the socket's send buffer.
        case refused
        /// The client has gone, or took too long.
        case ended
    }

    private let session: TLSSession
    private let peer: Peer
    private let context: ServingContext

    init(_ session: TLSSession, _ peer: Peer, _ context: ServingContext) {
        self.session = session
        self.peer = peer
        self.context = context
    }

    /// Runs the handshake and returns its outcome. Throws `CancellationError` if `mayGoOn` returns false before a wait.
    func run(while mayGoOn: () -> Bool) async throws -> Outcome {
        let deadline = Deadline.after(session.handshakeTimeout)
        do {
            while let direction = try session.advanceHandshake() {
                guard mayGoOn() else { throw CancellationError() }
                try await session.descriptor.wait(for: direction, deadline: deadline)
            }
            return .completed
        } catch let error as TLSHandshakeError where error.kind == .plainHTTP {
            return .plainHTTP
        } catch let error as TLSHandshakeError {
            // The operator may have to correct the cause of a refusal. Most other failures come from scanners and health checks
            // of proxies.
            report(level: error.kind == .ended ? .debug : .info, error.reason)
            return error.kind == .ended ? .ended : .refused
        } catch let error as TandemError where error.code == .timedOut {
            report(level: .info, "it took longer than \(session.handshakeTimeout)")
            return .ended
        }
    }

    private func report(level: Logger.Level, _ reason: String) {
        context.observer.metrics?.connectionRefused(.handshake)
        context.logger.log(
            level: level, "TLS handshake failed", metadata: ["peer": "\(peer.description)", "reason": "\(reason)"])
    }
}
