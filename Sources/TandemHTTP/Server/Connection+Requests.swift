internal import HTTPTypes
internal import HTTPWire
internal import Logging
internal import Tandem

/// One request: dispatched, answered, logged, and its body read to the end.
extension Connection {
    func serve(_ head: RequestHead) async throws {
        let body = RequestBody(
            connection: self, head: head, limit: configuration.maxBodyBytes, limits: configuration.wireLimits)
        output.written = 0
        mustClose =
            mustClose || !head.keepAlive || server.isDraining || served >= configuration.maxRequestsPerConnection
        let (index, request, handler, name) = server.dispatch(head, body)
        let observation = server.observer.begin(head, route: index, on: self)
        // For the log, when nobody is left to answer.
        var status = 499
        do {
            try await observation.bind {
                var response = try await answer(to: request, from: handler, name: name, observation)
                status = response.status.code
                if server.present.returnsRequestID { response.headers[.xRequestID] = observation.id.description }
                do {
                    try await send(response, head, body, name: name)
                } catch let error as Unsendable {
                    status = 500
                    try await send(substitute(for: error, head), head, body, name: name)
                }
                try await deliver(body)
            }
            server.answered()
            server.observer.end(observation, head, body, status: status, .completed, on: self)
        } catch {
            let isCancelled = error is CancellationError || Task.isCancelled
            if observation.error == nil { observation.error = error }
            server.observer.end(observation, head, body, status: status, isCancelled ? .cancelled : .failed, on: self)
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
    private func answer(
        to request: Request, from handler: Handler, name: GreenThreadName, _ observation: RequestObservation
    ) async throws -> Response {
        do {
            beginWatching()
            defer { endWatching() }
            let response = try await handler.answer(request, name: name)
            if case .stream(_, .blocking) = response.body { try server.checkGreenThreads() }
            return response
        } catch {
            return try answer(to: error, request.head, observation)
        }
    }

    /// The answer to a handler that threw. Rethrows when nobody is left to answer.
    private func answer(to error: any Error, _ head: RequestHead, _ observation: RequestObservation) throws -> Response {
        if Task.isCancelled { throw error }
        if let error = error as? HTTPError { return error.response }
        observation.error = error
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
}
