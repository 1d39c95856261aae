internal import CoreMetrics
internal import HTTPTypes
internal import HTTPWire

/// What one hub's part of a server counts, by OpenTelemetry's names where it has any. On its hub.
///
/// Each series is asked from the factory once and then found by its route and a number, so that a request costs a look into a
/// short array and some additions. There is one for each route, method, status, version and scheme that occurred: clients
/// cannot make more, whatever they send.
final class ServerMetrics {
    private struct Ended {
        let key: UInt32
        let duration: any TimerHandler
        let requestBody: any RecorderHandler
        let responseBody: any RecorderHandler
    }

    private struct Series {
        var active: [(key: UInt32, requests: any MeterHandler)] = []
        var ended: [Ended] = []
    }

    private let factory: any MetricsFactory
    private let routes: [Route]
    /// By route; the last is for requests that none has matched.
    @exclusivity(unchecked) private var series: [Series]
    private let connections: any MeterHandler
    private let accepted: any CounterHandler
    @exclusivity(unchecked) private var refusedConnections: [ConnectionRefusal: any CounterHandler] = [:]
    @exclusivity(unchecked) private var refusedRequests: [Int: any CounterHandler] = [:]
    @exclusivity(unchecked) private var cut: [AccessLogEntry.Outcome: any CounterHandler] = [:]

    /// nil when nobody counts. Uses the factory that is in force for the caller.
    init?(_ routes: [Route]) {
        factory = MetricsSystem.factory
        if factory is NOOPMetricsHandler { return nil }
        self.routes = routes
        series = Array(repeating: Series(), count: routes.count + 1)
        connections = factory.makeMeter(label: "tandem.server.connections.active", dimensions: [])
        accepted = factory.makeCounter(label: "tandem.server.connections.accepted", dimensions: [])
        for reason in ConnectionRefusal.allCases { refusedConnections[reason] = counter(of: reason) }
        for outcome in [AccessLogEntry.Outcome.cancelled, .failed] { cut[outcome] = counter(of: outcome) }
    }

    // MARK: Requests

    func requestBegan(_ head: RequestHead, route: Int?, isSecure: Bool) {
        active(head, route, isSecure).increment(by: 1)
    }

    func requestEnded(
        _ head: RequestHead, route: Int?, isSecure: Bool, status: Int, outcome: AccessLogEntry.Outcome, nanoseconds: Int64,
        requestBody: Int, responseBody: Int
    ) {
        active(head, route, isSecure).decrement(by: 1)
        let ended = ended(head, route, isSecure, status)
        ended.duration.recordNanoseconds(nanoseconds)
        ended.requestBody.record(Int64(requestBody))
        ended.responseBody.record(Int64(responseBody))
        if outcome != .completed { cut[outcome]?.increment(by: 1) }
    }

    private func active(_ head: RequestHead, _ route: Int?, _ isSecure: Bool) -> any MeterHandler {
        let index = route ?? routes.count
        let key = methodNumber(head.method, route) << 1 | (isSecure ? 1 : 0)
        if let known = series[index].active.first(where: { $0.key == key }) { return known.requests }
        let requests = factory.makeMeter(
            label: "http.server.active_requests", dimensions: [method(head, route), scheme(isSecure)])
        series[index].active.append((key, requests))
        return requests
    }

    private func ended(_ head: RequestHead, _ route: Int?, _ isSecure: Bool, _ status: Int) -> Ended {
        let index = route ?? routes.count
        let key =
            UInt32(status) << 8 | methodNumber(head.method, route) << 2 | (head.version == .http11 ? 2 : 0) | (isSecure ? 1 : 0)
        if let known = series[index].ended.first(where: { $0.key == key }) { return known }
        var dimensions = [method(head, route), ("http.response.status_code", String(status)), scheme(isSecure)]
        dimensions.append(("network.protocol.version", head.version == .http11 ? "1.1" : "1.0"))
        if let route { dimensions.append(("http.route", routes[route].pattern.description)) }
        let ended = Ended(
            key: key, duration: factory.makeTimer(label: "http.server.request.duration", dimensions: dimensions),
            requestBody: factory.makeRecorder(
                label: "http.server.request.body.size", dimensions: dimensions, aggregate: true),
            responseBody: factory.makeRecorder(
                label: "http.server.response.body.size", dimensions: dimensions, aggregate: true))
        series[index].ended.append(ended)
        return ended
    }

    /// A route's own method is 0 and HEAD in place of GET is 1; without a route it is the number of the name.
    private func methodNumber(_ method: HTTPRequest.Method, _ route: Int?) -> UInt32 {
        if let route { return routes[route].method == method ? 0 : 1 }
        return UInt32(KnownMethods.number(of: method))
    }

    private func method(_ head: RequestHead, _ route: Int?) -> (String, String) {
        ("http.request.method", KnownMethods.name(of: head.method, route.map { routes[$0] }))
    }

    private func scheme(_ isSecure: Bool) -> (String, String) { ("url.scheme", isSecure ? "https" : "http") }

    /// A head that could not be parsed has been answered with this status.
    func requestRefused(_ status: Int) {
        let counter =
            refusedRequests[status]
            ?? factory.makeCounter(
                label: "tandem.server.requests.refused", dimensions: [("http.response.status_code", String(status))])
        refusedRequests[status] = counter
        counter.increment(by: 1)
    }

    private func counter(of outcome: AccessLogEntry.Outcome) -> any CounterHandler {
        factory.makeCounter(label: "tandem.server.requests.cut", dimensions: [("reason", outcome.rawValue)])
    }

    // MARK: Connections

    func connectionBegan() {
        accepted.increment(by: 1)
        connections.increment(by: 1)
    }

    func connectionEnded() { connections.decrement(by: 1) }

    func connectionRefused(_ reason: ConnectionRefusal) { refusedConnections[reason]?.increment(by: 1) }

    private func counter(of reason: ConnectionRefusal) -> any CounterHandler {
        factory.makeCounter(label: "tandem.server.connections.refused", dimensions: [("reason", reason.rawValue)])
    }
}

/// Why a connection was not served.
enum ConnectionRefusal: String, CaseIterable {
    /// The server has as many as it takes.
    case limit
    /// Its peer has as many as one may have.
    case peerLimit = "peer_limit"
    /// The TLS handshake failed, or took too long.
    case handshake = "tls_handshake"
    /// So many are refused that this one was closed without an answer.
    case shed
}
