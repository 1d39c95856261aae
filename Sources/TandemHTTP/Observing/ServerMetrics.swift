internal import CoreMetrics
internal import HTTPTypes
internal import HTTPWire

/// What one hub's part of a server counts, by OpenTelemetry's names where it has any. On its hub.
///
/// Each series is asked from the factory once and then found by its route and a number, so that a request costs a look into a
/// short array and some additions. There is one for each route, method, status, version and scheme that occurred: clients
/// cannot make more, whatever they send.
final class ServerMetrics {
    /// The requests under way of one route, method, scheme and version. (Those that differ in version share a series.)
    ///
    /// A closure around a handler is called without counting references, which a stored existential is not.
    final class Active {
        fileprivate let key: UInt32
        fileprivate let begin: () -> Void
        fileprivate let end: () -> Void
        // Of the same metrics, which keep it.
        fileprivate unowned(unsafe) let series: Series

        fileprivate init(key: UInt32, _ series: Series, _ requests: any MeterHandler) {
            self.key = key
            self.series = series
            begin = { requests.increment(by: 1) }
            end = { requests.decrement(by: 1) }
        }
    }

    /// The requests that have ended of one route, method, status, version and scheme.
    fileprivate final class Ended {
        let key: UInt32
        let record: (_ nanoseconds: Int64, _ requestBody: Int64, _ responseBody: Int64) -> Void

        init(
            key: UInt32, duration: any TimerHandler, requestBody: any RecorderHandler, responseBody: any RecorderHandler
        ) {
            self.key = key
            record = { nanoseconds, received, sent in
                duration.recordNanoseconds(nanoseconds)
                requestBody.record(received)
                responseBody.record(sent)
            }
        }
    }

    /// The series of one route. The one that was used last is looked at first.
    fileprivate final class Series {
        @exclusivity(unchecked) var active: [Active] = []
        @exclusivity(unchecked) var lastActive: Active?
        @exclusivity(unchecked) var ended: [Ended] = []
        @exclusivity(unchecked) var lastEnded: Ended?
    }

    private let factory: any MetricsFactory
    private let routes: [Route]
    /// By route; the last is for requests that none has matched.
    private let series: [Series]
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
        series = (0...routes.count).map { _ in Series() }
        connections = factory.makeMeter(label: "tandem.server.connections.active", dimensions: [])
        accepted = factory.makeCounter(label: "tandem.server.connections.accepted", dimensions: [])
        for reason in ConnectionRefusal.allCases { refusedConnections[reason] = counter(of: reason) }
        for outcome in [AccessLogEntry.Outcome.cancelled, .failed] { cut[outcome] = counter(of: outcome) }
    }

    // MARK: Requests

    /// Counts a request that begins. `requestEnded` takes the result.
    func requestBegan(_ head: RequestHead, route: Route?, isSecure: Bool) -> Active {
        let series = series[route?.index ?? routes.count]
        let key = methodNumber(head, route) << 2 | (isSecure ? 2 : 0) | (head.version == .http11 ? 1 : 0)
        let active = series.lastActive.flatMap { $0.key == key ? $0 : nil } ?? findActive(key, series, head, route)
        active.begin()
        return active
    }

    func requestEnded(
        _ active: Active, _ scope: RequestScope, status: Int, outcome: AccessLogEntry.Outcome, nanoseconds: Int64,
        requestBody: Int, responseBody: Int
    ) {
        active.end()
        let series = active.series
        let key = UInt32(status) << 8 | active.key
        let ended = series.lastEnded.flatMap { $0.key == key ? $0 : nil } ?? findEnded(key, series, scope, status)
        ended.record(nanoseconds, Int64(requestBody), Int64(responseBody))
        if outcome != .completed { cut[outcome]?.increment(by: 1) }
    }

    @inline(never)
    private func findActive(_ key: UInt32, _ series: Series, _ head: RequestHead, _ route: Route?) -> Active {
        let active =
            series.active.first { $0.key == key }
            ?? Active(
                key: key, series,
                factory.makeMeter(
                    label: "http.server.active_requests", dimensions: [method(head, route), scheme(key & 2 != 0)]))
        if !series.active.contains(where: { $0 === active }) { series.active.append(active) }
        series.lastActive = active
        return active
    }

    @inline(never)
    private func findEnded(_ key: UInt32, _ series: Series, _ scope: RequestScope, _ status: Int) -> Ended {
        if let known = series.ended.first(where: { $0.key == key }) {
            series.lastEnded = known
            return known
        }
        let route = scope.route
        var dimensions = [
            method(scope.head!, route), ("http.response.status_code", String(status)), scheme(key & 2 != 0),
            ("network.protocol.version", key & 1 != 0 ? "1.1" : "1.0"),
        ]
        if let route { dimensions.append(("http.route", route.pattern.description)) }
        let ended = Ended(
            key: key, duration: factory.makeTimer(label: "http.server.request.duration", dimensions: dimensions),
            requestBody: factory.makeRecorder(
                label: "http.server.request.body.size", dimensions: dimensions, aggregate: true),
            responseBody: factory.makeRecorder(
                label: "http.server.response.body.size", dimensions: dimensions, aggregate: true))
        series.ended.append(ended)
        series.lastEnded = ended
        return ended
    }

    /// A route's own method is 0 and HEAD in place of GET is 1; without a route it is the number of the name.
    @inline(__always)
    private func methodNumber(_ head: RequestHead, _ route: Route?) -> UInt32 {
        guard let route else { return UInt32(KnownMethods.number(of: head.method)) }
        return route.answersHead && head.isHead ? 1 : 0
    }

    private func method(_ head: RequestHead, _ route: Route?) -> (String, String) {
        ("http.request.method", KnownMethods.name(of: head.method, route))
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
