internal import HTTPTypes
internal import HTTPWire
internal import Logging
internal import Tracing

// @unchecked: changed only while its hub holds the one reference to it; read from any thread.
/// What `Logger.current` knows of the request that is answered. Read only when a line is logged.
final class RequestScope: @unchecked Sendable {
    @exclusivity(unchecked) private var head: RequestHead?
    @exclusivity(unchecked) private var route: String?
    @exclusivity(unchecked) private var peer: SocketAddress?
    @exclusivity(unchecked) private var id = RequestID(number: 0)

    func begin(_ head: RequestHead, route: String?, peer: SocketAddress, id: RequestID) {
        self.head = head
        self.route = route
        self.peer = peer
        self.id = id
    }

    /// Lets go of the request.
    func end() {
        let (head, route) = (head, route)
        self.head = nil
        self.route = nil
        withExtendedLifetime((head, route)) {}
    }

    /// A line's fields. The trace is that of the innermost span, wherever the line is logged.
    var metadata: Logger.Metadata {
        guard let head, let peer else { return [:] }
        var metadata: Logger.Metadata = [
            "request.id": .string(id.description), "http.request.method": .string(head.method.rawValue),
            "peer": .string(peer.description),
        ]
        if let route { metadata["http.route"] = .string(route) }
        if let trace = ServiceContext.current?.traceContext ?? TraceContext(head) {
            metadata["trace_id"] = .string(trace.traceID)
            metadata["span_id"] = .string(trace.spanID)
        }
        return metadata
    }
}
