internal import HTTPTypes
internal import Tandem
internal import TandemHTTP
internal import TandemPatch

/// The endpoints for operators and their tools: `/livez`, `/healthz`, `/readyz`, `/metrics`, `/debug/hub`,
/// `/debug/bridges`, `/debug/migration`, `/debug/trace`, and those of the dashboard.
///
/// A separate server on the supervising hub answers them, so they work even while the serving hubs are busy.
struct AdminRoutes: Sendable {
    /// The time that a hub has to answer an inquiry for `/debug/hub`.
    static let patience = Duration.seconds(1)
    /// The maximum number of green threads, and of tasks, that `/debug/hub` lists per hub.
    static let listed = 500
    /// The maximum size of a text dump, in bytes. Longer dumps are truncated.
    static let longestDump = 4 << 20

    /// Returns the phase of the service.
    let readiness: @Sendable () -> Readiness
    /// Returns the serving hubs that have run no job for `hub.dead-after-ms`.
    let deadHubs: @Sendable () -> [Hub]
    /// Returns the serving hubs.
    let hubs: @Sendable () -> [Hub]
    /// Returns all metrics except those of the hubs.
    let metrics: @Sendable () -> [MetricFamily]
    /// Returns the state of the service's migrating routes.
    let migrations: @Sendable () async -> MigrationReport
    /// Decides who may read, except probes.
    let access: AdminAccess
    private let inquiry: HubInquiry
    private let pace: Pace
    private let trace: TraceRoute
    private let dashboard: Dashboard?

    /// Creates the endpoints of `service`, its name and version.
    ///
    /// - Parameter sources: What the dashboard shows; nil for no dashboard.
    init(
        of service: String, readiness: @escaping @Sendable () -> Readiness, deadHubs: @escaping @Sendable () -> [Hub],
        hubs: @escaping @Sendable () -> [Hub],
        metrics: @escaping @Sendable () -> [MetricFamily], migrations: @escaping @Sendable () async -> MigrationReport,
        access: AdminAccess, dashboard sources: StateReader.Sources? = nil
    ) {
        self.readiness = readiness
        self.deadHubs = deadHubs
        self.hubs = hubs
        self.metrics = metrics
        self.migrations = migrations
        self.access = access
        let (inquiry, pace) = (HubInquiry(), Pace())
        (self.inquiry, self.pace) = (inquiry, pace)
        trace = TraceRoute(service: service, hubs: hubs, asking: inquiry)
        dashboard = sources.map { sources in
            Dashboard(
                sources, pace: pace, asking: inquiry, migration: { MigrationText.json(await migrations()).bytes },
                bridges: { await Self.bridges(hubs(), inquiry).json.bytes })
        }
    }

    func addRoutes(to router: Router) {
        router.get("/healthz") { _ async in Self.ok }
        router.get("/livez", isAlive)
        router.get("/readyz", isReady)
        let guarded = router.group("")
        guarded.use { [access] request, next in
            try access.check(request)
            var response = try await next(request)
            for (name, value) in Self.isolation { response.headers[name] = value }
            return response
        }
        guarded.get("/metrics", exposition)
        guarded.get("/debug/hub", dump)
        guarded.get("/debug/bridges", bridges)
        guarded.get("/debug/migration", migration)
        guarded.get("/debug/trace", trace.answer)
        dashboard?.addRoutes(to: guarded)
    }

    /// Fields that keep other sites from showing an answer, or from using it as a script or a picture.
    private static let isolation: [(HTTPField.Name, String)] = [
        (.xContentTypeOptions, "nosniff"), (HTTPField.Name("Cross-Origin-Resource-Policy")!, "same-origin"),
        (HTTPField.Name("X-Frame-Options")!, "DENY"),
    ]

    /// The response of a healthy process.
    static let ok = Response(text: "ok")

    @Sendable private func isAlive(_ request: Request) async throws -> Response {
        let dead = deadHubs().map(\.shownName).sorted()
        guard !dead.isEmpty else { return Self.ok }
        throw HTTPError(
            .serviceUnavailable,
            "dead: \(dead.joined(separator: ", ")): no job has run for hub.dead-after-ms. The log says which code holds a hub.")
    }

    @Sendable private func isReady(_ request: Request) async throws -> Response {
        let readiness = readiness()
        var members = [JSON.Member(name: "phase", value: .string(readiness.phase))]
        // Connections to such a hub get no answer, so a load balancer must stop sending them until the process has been restarted.
        let dead = deadHubs().map(\.shownName).sorted()
        if !dead.isEmpty { members.append(.init(name: "dead", value: .array(dead.map(JSON.string)))) }
        var response = Response(jsonBytes: JSON.object(members).bytes)
        response.status = readiness.isReady && dead.isEmpty ? .ok : .serviceUnavailable
        return response
    }

    @Sendable private func exposition(_ request: Request) async throws -> Response {
        let format = Exposition.Format(accepting: request[.accept])
        let statistics = await inquiry.ask(hubs(), within: .milliseconds(250)) { $0.statistics }
        let families =
            metrics() + HubMetrics.families(statistics.map { ($0.hub.shownName, $0.answer) })
            + MigrationMetrics.families(await migrations())
        return Response(headers: [.contentType: format.contentType], body: Exposition.text(families, format))
    }

    @Sendable private func migration(_ request: Request) async throws -> Response {
        Response(
            headers: [.contentType: "application/json", .cacheControl: "no-store"],
            body: MigrationText.json(await migrations()).bytes)
    }

    @Sendable private func bridges(_ request: Request) async throws -> Response {
        let asJSON = try wantsJSON(request)
        let bridges = await Self.bridges(hubs(), inquiry)
        return asJSON ? Response(jsonBytes: bridges.json.bytes) : Response(text: bridges.text)
    }

    private static func bridges(_ hubs: [Hub], _ inquiry: HubInquiry) async -> BridgesText {
        BridgesText(await inquiry.ask(hubs, within: patience) { $0.bridgeSites }.map { ($0.hub.shownName, $0.answer) })
    }

    /// Whether the query asks for JSON instead of text.
    private func wantsJSON(_ request: Request) throws -> Bool {
        guard let format = try request.query["format"] else { return false }
        guard format == "json" || format == "text" else {
            throw HTTPError(.badRequest, "format: expected text or json, found \(quoted(format))")
        }
        return format == "json"
    }

    @Sendable private func dump(_ request: Request) async throws -> Response {
        let asJSON = try wantsJSON(request)
        let dumps = try await pace.run {
            let answers = await inquiry.ask(hubs(), within: Self.patience) { hub in
                let began = ContinuousClock.now
                return (dump: hub.dump(limit: Self.listed), cost: ContinuousClock.now - began)
            }
            let cost = answers.compactMap(\.answer?.cost).max() ?? .zero
            return (answers.map { ($0.hub.shownName, $0.answer?.dump) }, cost: cost)
        }
        // Symbol lookup takes milliseconds, so it must not run on a hub.
        if asJSON { return Response(jsonBytes: try await offload { DumpText.json(dumps, TandemPatch.report()).bytes }) }
        return Response(text: try await offload { DumpText.text(dumps, TandemPatch.report(), upTo: Self.longestDump) })
    }
}
