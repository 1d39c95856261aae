internal import HTTPTypes
internal import HTTPWire
internal import Logging
internal import Tracing

// @unchecked: changed only while no logger except the bound one refers to it; read from any thread.
/// The request that `Logger.current` names. It is read only when a line is logged.
final class RequestScope: @unchecked Sendable {
    @exclusivity(unchecked) private(set) var head: RequestHead?
    @exclusivity(unchecked) private(set) var route: Route?
    @exclusivity(unchecked) private(set) var id = RequestID(number: 0)
    private let peer: Peer

    init(_ peer: Peer) { self.peer = peer }

    func begin(_ head: RequestHead, route: Unretained<Route>?, id: RequestID) {
        self.head = head
        if let route { if !(self.route.map(Unretained.init) == route) { self.route = route.object } } else { self.route = nil }
        self.id.become(id)
    }

    /// Returns the request's head, and drops the request.
    func end() -> RequestHead? { head.take() }

    /// The request's fields for a log line. The trace is that of the innermost span, wherever the line is logged.
    var metadata: Logger.Metadata {
        guard let head else { return [:] }
        var metadata: Logger.Metadata = [
            "request.id": .string(id.description), "http.request.method": .string(head.method.rawValue),
            "peer": .string(peer.description),
        ]
        if let route { metadata["http.route"] = .string(route.pattern.description) }
        if let trace = ServiceContext.current?.traceContext ?? TraceContext(head) {
            metadata["trace_id"] = .string(trace.traceID)
            metadata["span_id"] = .string(trace.spanID)
        }
        return metadata
    }
}
