internal import Tandem
internal import TandemHTTP

/// The endpoints for operators and their tools: `/livez`, `/healthz`, `/readyz`, `/metrics` and `/debug/hub`.
///
/// A server of its own on the supervising hub answers them, however busy the hubs that serve are.
struct AdminRoutes: Sendable {
    /// How long a hub has to answer, before it says that code holds it.
    static let patience = Duration.seconds(1)
    /// The most green threads, and the most tasks, of a hub that are listed.
    static let listed = 500
    /// Bytes of a dump: what is beyond is cut.
    static let longestDump = 4 << 20

    /// Where the service stands.
    let readiness: @Sendable () -> Readiness
    /// The hubs that serve and have run no job for too long.
    let deadHubs: @Sendable () -> [Hub]
    /// The hubs that serve.
    let hubs: @Sendable () -> [Hub]
    /// What is recorded, and what is counted elsewhere.
    let metrics: @Sendable () -> [MetricFamily]
    private let inquiry = HubInquiry()

    init(
        readiness: @escaping @Sendable () -> Readiness, deadHubs: @escaping @Sendable () -> [Hub],
        hubs: @escaping @Sendable () -> [Hub],
        metrics: @escaping @Sendable () -> [MetricFamily]
    ) {
        self.readiness = readiness
        self.deadHubs = deadHubs
        self.hubs = hubs
        self.metrics = metrics
    }

    func addRoutes(to router: Router) {
        router.get("/healthz") { _ async in Self.ok }
        router.get("/livez", isAlive)
        router.get("/readyz", isReady)
        router.get("/metrics", exposition)
        router.get("/debug/hub", dump)
    }

    /// The answer of a healthy process.
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
        var response = Response(jsonBytes: JSON.object([.init(name: "phase", value: .string(readiness.phase))]).bytes)
        response.status = readiness.isReady ? .ok : .serviceUnavailable
        return response
    }

    @Sendable private func exposition(_ request: Request) async throws -> Response {
        let format = Exposition.Format(accepting: request[.accept])
        let statistics = await inquiry.ask(hubs(), within: .milliseconds(250)) { $0.statistics }
        let families = metrics() + HubMetrics.families(statistics.map { ($0.hub.shownName, $0.answer) })
        return Response(headers: [.contentType: format.contentType], body: Exposition.text(families, format))
    }

    @Sendable private func dump(_ request: Request) async throws -> Response {
        let asJSON = try request.query["format"].map { format in
            guard format == "json" || format == "text" else {
                throw HTTPError(.badRequest, "format is \"\(format)\", expected text or json")
            }
            return format == "json"
        }
        let answers = await inquiry.ask(hubs(), within: Self.patience) { $0.dump(limit: Self.listed) }
        let dumps = answers.map { ($0.hub.shownName, $0.answer) }
        // Looking up symbols takes milliseconds, which a hub should not.
        if asJSON ?? false { return Response(jsonBytes: try await offload { DumpText.json(dumps).bytes }) }
        return Response(text: try await offload { DumpText.text(dumps, upTo: Self.longestDump) })
    }
}

/// Where the service is in its life, for `/readyz`.
struct Readiness: Sendable {
    /// "starting", "serving", "draining", …
    let phase: String
    /// Whether it should be sent requests.
    let isReady: Bool
}

extension Hub {
    /// As its thread is named.
    var shownName: String { "\(configuration.name)-\(index)" }
}
