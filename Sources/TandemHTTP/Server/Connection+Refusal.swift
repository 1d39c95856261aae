internal import HTTPTypes
internal import HTTPWire
internal import Tandem

extension Connection {
    /// Answers what could not be parsed, or is not served, and lingers. A request that has been answered already gets no
    /// second answer.
    func answer(_ error: HTTPError) async {
        mustClose = true
        if !hasAnswered {
            output.written = 0
            let response = error.response
            guard case .bytes(let bytes) = response.body,
                let framing = try? writeHead(error.status, response.headers, .length(bytes.count), to: nil)
            else { return }
            if framing != .none { append(bytes) }
            server.observer.refused(error.status.code, on: self)
        }
        do {
            try await flush()
            await lingerBeforeClose()
        } catch {
            // The client has gone; the answer was all there was to do.
        }
    }
}
