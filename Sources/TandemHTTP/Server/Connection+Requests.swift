internal import HTTPTypes
internal import HTTPWire
internal import Logging
internal import Tandem

/// One request: dispatched, answered, logged, and its body read to the end.
extension Connection {
    func serve(_ head: RequestHead) async throws {
        let body = begin(head)
        let (index, request, handler, name) = server.dispatch(head, body)
        let observation = server.observer.begin(head, route: index, on: self)
        do {
            try await observation.bind { try await respond(to: request, from: handler, name: name, observation) }
        } catch {
            broke(off: head, body, observation, error)
            throw error
        }
        server.answered()
        server.observer.end(observation, head, body, .completed, on: self)
        try await dropRest(of: body)
    }

    /// Has the request answered, and sends the answer. Not inlined: `serve` would hold its frame twice, with a span and without.
    @inline(never)
    private func respond(
        to request: Request, from handler: Handler, name: GreenThreadName, _ observation: RequestObservation
    ) async throws {
        if let streamed = try await answer(request, from: handler, name: name, observation) {
            try await send(streamed, request.head, name: name)
        }
        try await deliver(request.body)
    }

    /// Has the handler answer, and puts the answer into the output; what is left to do is streamed.
    @inline(never)
    private func answer(
        _ request: Request, from handler: Handler, name: GreenThreadName, _ observation: RequestObservation
    ) async throws -> Streamed? {
        do {
            beginWatching()
            defer { endWatching() }
            let response = try await handler.answer(request, name: name)
            if case .stream(_, .blocking) = response.body { try server.checkGreenThreads() }
            return put(response, to: request, observation)
        } catch {
            return put(try answer(to: error, request.head, observation), to: request, observation)
        }
    }

    // What follows does not wait, and is called rather than inlined, so that what it computes has no room in the frames of
    // what does.

    /// Begins with the request's body, and says whether the connection ends with it.
    @inline(never)
    private func begin(_ head: RequestHead) -> RequestBody {
        output.written = 0
        if !head.keepAlive || server.isDraining || served >= settings.configuration.maxRequestsPerConnection {
            mustClose = true
        }
        return RequestBody(
            connection: self, head: head, limit: settings.configuration.maxBodyBytes, limits: settings.configuration.wireLimits)
    }

    /// Nobody is left to answer, or the answer could not be sent to its end.
    @inline(never)
    private func broke(off head: RequestHead, _ body: RequestBody, _ observation: RequestObservation, _ error: any Error) {
        let isCancelled = error is CancellationError || Task.isCancelled
        if observation.error == nil { observation.error = error }
        server.observer.end(observation, head, body, isCancelled ? .cancelled : .failed, on: self)
        guard isCancelled else { return }
        server.logger.info(
            "request cancelled",
            metadata: [
                "http.target": "\(head.target)", "peer": "\(remoteAddress)",
                "reason": "\(lostPeer ?? "the server stops")",
            ])
    }

    /// The answer to a handler that threw. Rethrows when nobody is left to answer.
    @inline(never)
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
            guard dropped <= settings.configuration.drainLimit else {
                mustClose = true
                return
            }
        }
    }
}
