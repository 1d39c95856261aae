internal import CTandem
internal import HTTPTypes
internal import HTTPWire
internal import Tandem
internal import Tracing

/// The metrics, spans and log entries of the requests on one hub of a server. Used only on its hub.
final class RequestObserver {
    /// The metrics; nil if nothing is counted.
    let metrics: ServerMetrics?
    private let spans: RequestSpans?
    @exclusivity(unchecked) private var numbers = RequestNumbers()

    /// Creates an observer that reports to the current metrics factory and tracer of the caller.
    init(_ configuration: ObservingConfiguration, routes: [Route]) {
        metrics = configuration.recordsMetrics ? ServerMetrics(routes) : nil
        spans = configuration.tracesRequests ? RequestSpans(routes) : nil
    }

    /// Returns the id that the next request will have.
    func upcomingID(of head: RequestHead, trustsID: Bool) -> RequestID {
        if trustsID, let given = head[.xRequestID].flatMap(RequestID.init) { return given }
        return RequestID(number: numbers.upcoming)
    }

    /// Begins the observation of a request. `now` is the hub's time in nanoseconds.
    func begin(
        _ observation: RequestObservation, _ head: RequestHead, route: Unretained<Route>?, peer: Peer, trustsID: Bool, now: UInt64
    ) {
        let id = upcomingID(of: head, trustsID: trustsID)
        _ = numbers.next()
        observation.begin(head, route: route, id: id, now: now)
        observation.active = metrics?.requestBegan(head, route: route, isSecure: peer.isSecure)
        if tandem_is_recording() { observation.recordBeginning() }
        if let spans {
            // Not `id`, which an untraced request would then retain once more.
            observation.span = spans.start(
                head, route: route?.object, id: observation.scope.id, peer: peer.address, isSecure: peer.isSecure)
        }
    }

    /// The number of bytes in one request and its answer.
    struct Transferred {
        /// The bytes of the request's body, without the framing of chunks.
        var received: Int
        /// The bytes of the answer, head included.
        var sent: Int
        /// The bytes of the answer's head.
        var sentHead: Int
    }

    /// Ends the observation of a request. `now` is the hub's time in nanoseconds. Returns the request's head, unless a kept
    /// logger still refers to it.
    func end(
        _ observation: RequestObservation, _ outcome: AccessLogEntry.Outcome, _ bytes: Transferred,
        peer: Peer, hub: Int, log: (any AccessLog)?, now: UInt64
    ) -> RequestHead? {
        let took = Int64(clamping: now &- observation.began)
        if let active = observation.active {
            metrics?.requestEnded(
                active, observation.scope, status: observation.status, outcome: outcome, nanoseconds: took,
                requestBody: bytes.received, responseBody: max(0, bytes.sent - bytes.sentHead))
        }
        if let log { record(observation, outcome, bytes, peer, hub, log, took) }
        if observation.isTraced, let spans, let span = observation.span {
            spans.end(span, status: observation.status, error: observation.error)
        }
        return observation.end()
    }

    private func record(
        _ observation: RequestObservation, _ outcome: AccessLogEntry.Outcome, _ bytes: Transferred, _ peer: Peer, _ hub: Int,
        _ log: any AccessLog, _ took: Int64
    ) {
        let scope = observation.scope
        guard let head = scope.head else { return }
        let route = scope.route
        let trace = observation.isTraced ? observation.span?.context.traceContext : nil
        log.record(
            AccessLogEntry(
                head: head, route: route?.pattern.description, style: .init(route?.style), hub: hub,
                status: observation.status, bytes: bytes.sent, nanoseconds: Int(took), remoteAddress: peer.description,
                outcome: outcome, bytesReceived: head.byteCount + bytes.received, requestID: scope.id,
                traceIDHigh: trace?.traceIDHigh ?? 0, traceIDLow: trace?.traceIDLow ?? 0, isSecure: peer.isSecure))
    }

    /// Records an answer without a parsed request: its status, and its length in bytes.
    func refused(_ status: Int, bytes: Int, peer: Peer, hub: Int, log: (any AccessLog)?) {
        metrics?.requestRefused(status)
        guard let log else { return }
        log.record(
            AccessLogEntry(
                head: nil, route: nil, style: .none, hub: hub, status: status, bytes: bytes, nanoseconds: 0,
                remoteAddress: peer.description, outcome: .completed, isSecure: peer.isSecure))
    }
}
