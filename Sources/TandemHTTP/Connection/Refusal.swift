internal import HTTPTypes
internal import HTTPWire
internal import Tandem

/// The answer to a client that the server does not serve, or whose request the server cannot parse.
struct Refusal {
    private let error: HTTPError

    init(_ error: HTTPError) { self.error = error }

    /// Creates the answer to an error that ended a connection. Returns nil when the client cannot read one: it has gone or takes
    /// too long, or the server has cut the connection.
    init?(to error: any Error) {
        if let error = error as? HTTPParseError {
            self.error = HTTPError(.init(code: error.status), error.reason)
        } else if let error = error as? HTTPError {
            self.error = error
        } else {
            return nil
        }
    }

    /// Puts the answer into the output. Returns false if the answer cannot be written.
    ///
    /// - Parameter isHead: Whether the request was HEAD.
    func put(on wire: Wire, isHead: Bool, peer: Peer, _ context: ServingContext) -> Bool {
        let (before, response) = (wire.bytesPut, error.response)
        let framing = Wire.Framing(
            framing: .length(response.bodyCount), version: .http11, isHead: isHead, idleSeconds: nil, date: context.date)
        guard case .bytes(let bytes) = response.body, let fields = try? response.encodedFields(),
            (try? wire.put(response.status, fields, bytes, framing, sends: false)) != nil
        else { return false }
        context.observer.refused(
            error.status.code, bytes: wire.bytesPut - before, peer: peer, hub: context.hub.index, log: context.settings.accessLog)
        return true
    }
}
