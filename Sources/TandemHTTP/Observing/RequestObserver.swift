internal import Glibc
internal import HTTPTypes
internal import HTTPWire
internal import Logging
internal import Tandem
internal import Tracing

/// Everything that one hub's part of a server tells about its requests. On its hub.
final class RequestObserver {
    /// nil when nobody counts.
    let metrics: ServerMetrics?
    private let spans: RequestSpans?
    private let routes: [Route]
    private let logger: Logger
    @exclusivity(unchecked) private var numbers = RequestNumbers()
    @exclusivity(unchecked) private var free: [RequestObservation] = []

    /// Metrics and spans go to what is in force for the caller.
    init(_ configuration: ObservingConfiguration, routes: [Route], logger: Logger) {
        self.routes = routes
        metrics = configuration.recordsMetrics ? ServerMetrics(routes) : nil
        spans = configuration.tracesRequests ? RequestSpans(routes) : nil
        self.logger = logger
    }

    /// A request begins. Called rather than inlined, as is `end`: what they compute has no room in the frame of a coroutine.
    @inline(never)
    func begin(_ head: RequestHead, route: Int?, on connection: Connection) -> RequestObservation {
        let observation = free.popLast() ?? RequestObservation(logger)
        let settings = connection.settings
        let given = settings.trustsRequestID ? head[.xRequestID].flatMap(RequestID.init) : nil
        observation.id = given ?? RequestID(number: numbers.next())
        observation.route = route
        observation.begin(head, route: route.map { routes[$0].pattern.description }, peer: connection.address)
        if metrics != nil || settings.logsAccess { observation.began = now() }
        metrics?.requestBegan(head, route: route, isSecure: connection.isSecure)
        if let spans {
            observation.span = spans.start(
                head, route, route: route.map { routes[$0] }, peer: connection.address, isSecure: connection.isSecure)
        }
        return observation
    }

    /// It has ended.
    @inline(never)
    func end(
        _ observation: RequestObservation, _ head: RequestHead, _ body: RequestBody, _ outcome: AccessLogEntry.Outcome,
        on connection: Connection
    ) {
        let took = observation.began > 0 ? now() - observation.began : 0
        metrics?.requestEnded(
            head, route: observation.route, isSecure: connection.isSecure, status: observation.status, outcome: outcome,
            nanoseconds: Int64(took), requestBody: body.received,
            responseBody: max(0, connection.output.written - connection.headBytes))
        if connection.settings.logsAccess {
            let (route, trace) = (observation.route, observation.span?.context.traceContext)
            connection.settings.configuration.accessLog?.record(
                AccessLogEntry(
                    head: head, route: route.map { routes[$0].pattern.description },
                    style: route.map { routes[$0].handler.style } ?? .none, hub: connection.server.hub.index,
                    status: observation.status, bytes: connection.output.written, nanoseconds: Int(took),
                    remoteAddress: connection.remoteAddress, outcome: outcome, bytesReceived: head.byteCount + body.received,
                    requestID: observation.id, traceIDHigh: trace?.traceIDHigh ?? 0, traceIDLow: trace?.traceIDLow ?? 0,
                    isSecure: connection.isSecure))
        }
        if let spans, let span = observation.span { spans.end(span, status: observation.status, error: observation.error) }
        observation.end()
        free.append(observation)
    }

    /// What came could not be parsed, and the answer is in the output.
    func refused(_ status: Int, on connection: Connection) {
        metrics?.requestRefused(status)
        guard let log = connection.settings.configuration.accessLog else { return }
        log.record(
            AccessLogEntry(
                head: nil, route: nil, style: .none, hub: connection.server.hub.index, status: status,
                bytes: connection.output.written, nanoseconds: 0, remoteAddress: connection.remoteAddress, outcome: .completed,
                isSecure: connection.isSecure))
    }

    private func now() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
