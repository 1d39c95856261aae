internal import HTTPTypes
internal import HTTPWire
internal import Tandem

/// The answer to a client whose request could not be parsed, or who is not served.
struct Refusal {
    private let error: HTTPError

    init(_ error: HTTPError) { self.error = error }

    /// The answer to an error that ended a connection. nil when the client has gone, is too slow, or the connection is cut:
    /// nobody is left to tell.
    init?(to error: any Error) {
        if let error = error as? HTTPParseError {
            self.error = HTTPError(.init(code: error.status), error.reason)
        } else if let error = error as? HTTPError {
            self.error = error
        } else {
            return nil
        }
    }

    /// Puts the answer into the output. Returns whether that was possible.
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
