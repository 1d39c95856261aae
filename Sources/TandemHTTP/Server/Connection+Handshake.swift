internal import HTTPTypes
internal import Logging
internal import Tandem

extension Connection {
    /// Takes the TLS handshake to its end. Throws when there is nobody to serve, and `HTTPError` for who speaks HTTP there.
    func handshake(_ session: TLSSession) async throws {
        // To a server that stops, or needs room, it is as idle as one between requests.
        isIdle = true
        server.mayHaveIdle = true
        idleDeadline = .after(session.context.handshakeTimeout)
        defer { isIdle = false }
        do {
            while let direction = try session.advanceHandshake() {
                if mustClose || server.isDraining { throw CancellationError() }
                try await descriptor.wait(for: direction, deadline: idleDeadline)
            }
        } catch let error as TLSHandshakeError where error.kind == .plainHTTP {
            session.release()
            transport = .plain(descriptor)
            throw HTTPError(.badRequest, "this port speaks TLS: use https")
        } catch let error as TLSHandshakeError {
            server.observer.metrics?.connectionRefused(.handshake)
            // What a scanner or a health check of a proxy does all day is worth less than what somebody has to put right.
            server.logger.log(
                level: error.kind == .refused ? .info : .debug, "TLS handshake failed",
                metadata: ["peer": "\(remoteAddress)", "reason": "\(error.reason)"])
            // The alert that says why is on its way.
            if error.kind == .refused { await lingerBeforeClose() }
            throw error
        } catch let error as TandemError where error.code == .timedOut {
            server.observer.metrics?.connectionRefused(.handshake)
            server.logger.info(
                "TLS handshake failed",
                metadata: ["peer": "\(remoteAddress)", "reason": "it took longer than \(session.context.handshakeTimeout)"])
            throw error
        }
    }
}
