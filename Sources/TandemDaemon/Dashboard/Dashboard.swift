internal import HTTPTypes
internal import Tandem
internal import TandemHTTP
internal import TandemJSON

/// The dashboard of the admin listener: the page, and the data that it shows. It only reads.
final class Dashboard: Sendable {
    private let page = DashboardPage()
    private let registry: MetricsRegistry
    private let lease: Duration
    private let state: StateReader
    private let waiting: WaitingReader
    private let timeline: Timeline
    /// Returns the answer of `/debug/migration`.
    private let migration: @Sendable () async -> [UInt8]
    /// Returns the answer of `/debug/bridges`, as JSON.
    private let bridges: @Sendable () async -> [UInt8]

    init(
        _ sources: StateReader.Sources, pace: Pace, asking inquiry: HubInquiry,
        migration: @escaping @Sendable () async -> [UInt8],
        bridges: @escaping @Sendable () async -> [UInt8]
    ) {
        (registry, lease) = (sources.registry, sources.lease)
        state = StateReader(sources, asking: inquiry)
        waiting = WaitingReader(sources.hubs, pool: sources.pool, pace: pace, asking: inquiry)
        let styles = sources.routes.map { ($0.shownName, $0.style.rawValue) }
        timeline = Timeline(
            sources.hubs, styles: Dictionary(styles) { first, _ in first }, lease: sources.lease, pool: sources.pool,
            asking: inquiry)
        self.migration = migration
        self.bridges = bridges
    }

    func addRoutes(to router: RouteGroup) {
        let stream = EventStream(whileViewed: { [self] in watch() }) { [self] topic in try await read(topic) }
        router.get("/") { request async in Self.redirect(request) }
        router.get("/debug/ui") { [page] _ async in page.response }
        router.get("/debug/events", stream.answer)
        router.get("/debug/state") { [self] _ in try await Self.json(read(.state)) }
        router.get("/debug/routes") { [self] _ in try await Self.json(read(.routes)) }
        router.get("/debug/threads") { [self] request in
            try await Self.json(encodeJSON(waiting.read(WaitingReader.Query(request))))
        }
        router.get("/debug/threads/rows") { [self] request in try await members(request) }
        router.get("/debug/threads/stack") { [self] request in try await stack(request) }
    }

    /// Records the durations of requests for a while.
    private func watch() {
        registry.watch.renew(for: lease) { [registry] in
            for series in registry.timers(MetricsRegistry.requestDuration) { series.recent?.clear() }
        }
    }

    private func read(_ topic: EventStream.Topic) async throws -> [UInt8] {
        watch()
        return switch topic {
        case .state: try encodeJSON(await state.state())
        case .routes: try encodeJSON(await state.routes())
        case .timeline: try encodeJSON(await timeline.read())
        case .waiting: try encodeJSON(await waiting.read(WaitingReader.Query()))
        case .migration: await migration()
        case .bridges: await bridges()
        }
    }

    private func members(_ request: Request) async throws -> Response {
        let query = try WaitingReader.Query(request)
        for name in ["hub", "what", "name"] where try request.query[name] == nil {
            throw HTTPError(.badRequest, "\(name): expected that of a group of /debug/threads, found none")
        }
        guard let style = HubCensus.Style(rawValue: query.style) else {
            throw HTTPError(.badRequest, "style: expected blocking or async, found \(quoted(query.style))")
        }
        guard let rows = try await waiting.members(query, style: style) else { throw Self.noAnswer(query.hub) }
        return Self.json(try encodeJSON(rows))
    }

    private func stack(_ request: Request) async throws -> Response {
        let query = try request.query
        let hub = query["hub"] ?? ""
        guard let thread = Int(query["thread"] ?? ""), thread > 0 else {
            throw HTTPError(.badRequest, "thread: expected the number of a green thread, found \(quoted(query["thread"] ?? ""))")
        }
        guard let stack = try await waiting.stack(hub: hub, thread: thread) else { throw Self.noAnswer(hub) }
        return Self.json(try encodeJSON(stack))
    }

    private static func noAnswer(_ hub: String) -> HTTPError {
        HTTPError(
            .serviceUnavailable, "\(quoted(hub)) does not answer: code holds it, or it is busy", headers: [.retryAfter: "1"])
    }

    private static func json(_ bytes: [UInt8]) -> Response {
        var response = Response(jsonBytes: bytes)
        response.headers[.cacheControl] = "no-store"
        return response
    }

    /// Redirects browsers to the page, and returns the list of endpoints to other clients.
    private static func redirect(_ request: Request) -> Response {
        guard request[.accept]?.contains("text/html") == true else {
            return Response(
                text:
                    "/debug/ui is the dashboard. /livez /readyz /healthz /metrics /debug/hub /debug/bridges /debug/migration /debug/trace\n"
            )
        }
        return Response(status: .found, headers: [.location: "/debug/ui", .cacheControl: "no-store"])
    }
}

extension WaitingReader.Query {
    /// Reads the query of a request.
    fileprivate init(_ request: Request) throws {
        let query = try request.query
        hub = query["hub"] ?? ""
        style = query["style"] ?? ""
        guard style.isEmpty || HubCensus.Style(rawValue: style) != nil else {
            throw HTTPError(.badRequest, "style: expected blocking or async, found \(quoted(style))")
        }
        what = query["what"] ?? ""
        name = query["name"] ?? ""
        if let text = query["sort"] {
            guard let order = Order(rawValue: text) else {
                throw HTTPError(.badRequest, "sort: expected count or oldest, found \(quoted(text))")
            }
            self.order = order
        }
        limit = try Self.number("limit", query["limit"], 1...WaitingReader.most) ?? WaitingReader.most
        after = try Self.number("after", query["after"], 0...10_000_000) ?? 0
    }

    private static func number(_ name: String, _ text: String?, _ range: ClosedRange<Int>) throws -> Int? {
        guard let text else { return nil }
        guard text.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }), let number = Int(text), range ~= number
        else {
            throw HTTPError(
                .badRequest, "\(name): expected a number from \(range.lowerBound) to \(range.upperBound), found \(quoted(text))")
        }
        return number
    }
}
