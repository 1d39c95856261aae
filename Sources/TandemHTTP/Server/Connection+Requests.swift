internal import HTTPTypes
internal import HTTPWire
internal import Logging
internal import Tandem

/// One request: dispatched, answered, logged, and its body read to the end.
extension Connection {
    func serve(_ head: RequestHead) async throws {
        let start = configuration.accessLog == nil ? nil : SuspendingClock.now
        let body = RequestBody(
            connection: self, head: head, limit: configuration.maxBodyBytes, limits: configuration.wireLimits)
        output.written = 0
        mustClose =
            mustClose || !head.keepAlive || server.isDraining || served >= configuration.maxRequestsPerConnection
        let (index, request, handler, name) = server.dispatch(head, body)
        // For the log, when nobody is left to answer.
        var status = 499
        do {
            let response = try await answer(to: request, from: handler, name: name)
            status = response.status.code
            do {
                try await send(response, head, body, name: name)
            } catch let error as Unsendable {
                status = 500
                try await send(substitute(for: error, head), head, body, name: name)
            }
            try await deliver(body)
            log(head, index, status, .completed, since: start)
        } catch {
            let isCancelled = error is CancellationError || Task.isCancelled
            log(head, index, status, isCancelled ? .cancelled : .failed, since: start)
            if isCancelled {
                server.logger.info(
                    "request cancelled",
                    metadata: [
                        "http.target": "\(head.target)", "peer": "\(remoteAddress)",
                        "reason": "\(lostPeer ?? "the server stops")",
                    ])
            }
            throw error
        }
        try await dropRest(of: body)
    }

    /// What the handler answers, by returning or by throwing.
    private func answer(to request: Request, from handler: Handler, name: GreenThreadName) async throws -> Response {
        do {
            beginWatching()
            defer { endWatching() }
            let response = try await handler.answer(request, name: name)
            if case .stream(_, .blocking) = response.body { try server.checkGreenThreads() }
            return response
        } catch {
            return try answer(to: error, request.head)
        }
    }

    /// The answer to a handler that threw. Rethrows when nobody is left to answer.
    private func answer(to error: any Error, _ head: RequestHead) throws -> Response {
        if Task.isCancelled { throw error }
        if let error = error as? HTTPError { return error.response }
        server.logger.error(
            "handler threw", metadata: ["http.target": "\(head.target)", "peer": "\(remoteAddress)", "error": "\(error)"])
        return HTTPError(.internalServerError, "internal server error").response
    }

    /// Reads and drops what the handler left of the body, if it is short; else the connection has to be closed.
    private func dropRest(of body: RequestBody) async throws {
        guard !mustClose, !body.isComplete else { return }
        var dropped = 0
        while let piece = try await body.read() {
            dropped += piece.count
            guard dropped <= configuration.drainLimit else {
                mustClose = true
                return
            }
        }
    }

    private func log(
        _ head: RequestHead, _ index: Int?, _ status: Int, _ outcome: AccessLogEntry.Outcome,
        since start: SuspendingClock.Instant?
    ) {
        guard let start else { return }
        let route = index.map { server.routes.routes[$0] }
        configuration.accessLog?.record(
            AccessLogEntry(
                method: head.method, target: head.target, route: route?.pattern.description, style: route?.handler.style ?? .none,
                hub: server.hub.index, status: status, bytes: output.written, duration: start.duration(to: .now),
                remoteAddress: remoteAddress, outcome: outcome))
    }
}
