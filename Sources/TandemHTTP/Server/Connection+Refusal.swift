internal import HTTPTypes
internal import HTTPWire
internal import Tandem

extension Connection {
    /// Answers what could not be parsed, and closes. A request that has been answered already gets no second answer.
    func refuse(_ status: HTTPResponse.Status, _ message: String) async {
        mustClose = true
        if !hasAnswered {
            output.written = 0
            let response = HTTPError(status, message).response
            guard case .bytes(let bytes) = response.body,
                (try? writeHead(status, response.headers, .length(bytes.count), to: nil)) != nil
            else { return }
            append(bytes)
            configuration.accessLog?.record(
                AccessLogEntry(
                    method: nil, target: nil, route: nil, style: .none, hub: server.hub.index, status: status.code,
                    bytes: output.written, duration: .zero, remoteAddress: remoteAddress, outcome: .completed))
        }
        do {
            try await flush()
            await lingerBeforeClose()
        } catch {
            // The client has gone; the answer was all there was to do.
        }
    }
}
