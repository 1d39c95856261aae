internal import CoreMetrics
internal import HTTPTypes
internal import HTTPWire

/// The metrics of one hub of a server, with OpenTelemetry's names where they exist. Used only on its hub.
///
/// The server asks the factory for each series once (for the requests under way once per version). It then finds the series by
/// its route and a number, so a request costs a look-up in a short array and some additions. There is one series for each
/// combination of route, method, status, version and scheme that has occurred. Clients cannot cause more.
final class ServerMetrics {
    /// The counter of requests under way for one route, method, scheme and version. Versions share a series.
    ///
    /// It stores closures, because a call of a stored existential would retain and release the metrics handler.
    final class Active {
        fileprivate let key: UInt32
        fileprivate let begin: () -> Void
        fileprivate let end: () -> Void
        fileprivate let series: Unretained<Series>

        fileprivate init(key: UInt32, _ series: Unretained<Series>, _ requests: any MeterHandler) {
            self.key = key
            self.series = series
            begin = { requests.increment(by: 1) }
            end = { requests.decrement(by: 1) }
        }
    }

    /// The series of ended requests for one route, method, status, version and scheme.
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

    /// The series of one route, which are never removed. A look-up tries the last used one first.
    fileprivate final class Series {
        @exclusivity(unchecked) var active: [Active] = []
        @exclusivity(unchecked) var lastActive: Unretained<Active>?
        @exclusivity(unchecked) var ended: [Ended] = []
        @exclusivity(unchecked) var lastEnded: Unretained<Ended>?
    }

    private let factory: any MetricsFactory
    private let routes: [Route]
    /// The series by the index of the route. The last one is for requests that no route matched.
    private let series: [Series]
    private let seriesByRoute: [Unretained<Series>]
    private let connections: any MeterHandler
    private let accepted: any CounterHandler
    @exclusivity(unchecked) private var refusedConnections: [ConnectionRefusal: any CounterHandler] = [:]
    @exclusivity(unchecked) private var refusedRequests: [Int: any CounterHandler] = [:]
    @exclusivity(unchecked) private var cut: [AccessLogEntry.Outcome: any CounterHandler] = [:]

    /// Uses the current factory of the caller. Returns nil when that factory counts nothing.
    init?(_ routes: [Route]) {
        factory = MetricsSystem.factory
        if factory is NOOPMetricsHandler { return nil }
        self.routes = routes
        series = (0...routes.count).map { _ in Series() }
        seriesByRoute = series.map(Unretained.init)
        connections = factory.makeMeter(label: "tandem.server.connections.active", dimensions: [])
        accepted = factory.makeCounter(label: "tandem.server.connections.accepted", dimensions: [])
        for reason in ConnectionRefusal.allCases { refusedConnections[reason] = counter(of: reason) }
        for outcome in [AccessLogEntry.Outcome.cancelled, .failed] { cut[outcome] = counter(of: outcome) }
    }

    // MARK: Requests

    /// Counts a request that begins. Pass the result to `requestEnded`. It is valid as long as these metrics exist.
    func requestBegan(_ head: RequestHead, route: Unretained<Route>?, isSecure: Bool) -> Unretained<Active> {
        let (index, method) = place(of: head, route)
        let key = method << 2 | (isSecure ? 2 : 0) | (head.version == .http11 ? 1 : 0)
        let series = seriesByRoute[index]
        var active = series { $0.lastActive }
        if active.map({ $0 { $0.key } }) != key { active = findActive(key, series, head, route?.object) }
        active! { $0.begin() }
        return active!
    }

    func requestEnded(
        _ active: Unretained<Active>, _ scope: RequestScope, status: Int, outcome: AccessLogEntry.Outcome, nanoseconds: Int64,
        requestBody: Int, responseBody: Int
    ) {
        active { $0.end() }
        let series = active { $0.series }
        let key = UInt32(status) << 8 | active { $0.key }
        var ended = series { $0.lastEnded }
        if ended.map({ $0 { $0.key } }) != key { ended = findEnded(key, series, scope, status) }
        ended! { $0.record(nanoseconds, Int64(requestBody), Int64(responseBody)) }
        if outcome != .completed { cut[outcome]?.increment(by: 1) }
    }

    @inline(never)
    private func findActive(
        _ key: UInt32, _ series: Unretained<Series>, _ head: RequestHead, _ route: Route?
    ) -> Unretained<Active> {
        let all = series.object
        let active =
            all.active.first { $0.key == key }
            ?? Active(
                key: key, series,
                factory.makeMeter(
                    label: "http.server.active_requests",
                    dimensions: [method(head, route), scheme(key & 2 != 0)] + pattern(of: route)))
        if !all.active.contains(where: { $0 === active }) { all.active.append(active) }
        all.lastActive = Unretained(active)
        return Unretained(active)
    }

    @inline(never)
    private func findEnded(
        _ key: UInt32, _ series: Unretained<Series>, _ scope: RequestScope, _ status: Int
    ) -> Unretained<Ended> {
        let all = series.object
        let ended = all.ended.first { $0.key == key } ?? makeEnded(key, scope, status)
        if !all.ended.contains(where: { $0 === ended }) { all.ended.append(ended) }
        all.lastEnded = Unretained(ended)
        return Unretained(ended)
    }

    private func makeEnded(_ key: UInt32, _ scope: RequestScope, _ status: Int) -> Ended {
        let route = scope.route
        let dimensions =
            [
                method(scope.head!, route), ("http.response.status_code", String(status)), scheme(key & 2 != 0),
                ("network.protocol.version", key & 1 != 0 ? "1.1" : "1.0"),
            ] + pattern(of: route)
        return Ended(
            key: key, duration: factory.makeTimer(label: "http.server.request.duration", dimensions: dimensions),
            requestBody: factory.makeRecorder(
                label: "http.server.request.body.size", dimensions: dimensions, aggregate: true),
            responseBody: factory.makeRecorder(
                label: "http.server.response.body.size", dimensions: dimensions, aggregate: true))
    }

    /// Returns the index of the series, and a number for the method: 0 for the route's own method, and 1 for HEAD on a route
    /// for GET. Without a route it is the number of the method's name.
    @inline(__always)
    private func place(of head: RequestHead, _ route: Unretained<Route>?) -> (series: Int, method: UInt32) {
        guard let route else { return (routes.count, UInt32(KnownMethod(head.method).rawValue)) }
        return route { ($0.index, $0.answersHead && head.isHead ? 1 : 0) }
    }

    private func method(_ head: RequestHead, _ route: Route?) -> (String, String) {
        ("http.request.method", KnownMethods.name(of: head.method, route))
    }

    private func pattern(of route: Route?) -> [(String, String)] {
        route.map { [("http.route", $0.pattern.description)] } ?? []
    }

    private func scheme(_ isSecure: Bool) -> (String, String) { ("url.scheme", isSecure ? "https" : "http") }

    /// Counts an answer without a parsed request, by its status.
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
    /// The server has reached its limit.
    case limit
    /// The peer has reached its limit.
    case peerLimit = "peer_limit"
    /// The TLS handshake failed, or took too long.
    case handshake = "tls_handshake"
    /// The server closed it without an answer: under TLS, or when it was already answering many refused clients.
    case shed
}
