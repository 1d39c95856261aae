import CoreMetrics
import Synchronization
import Tandem
import TandemHTTP
import TandemTesting

@testable import TandemDaemon

/// A service on one hub, "serving-0", and an admin server for it.
final class AdminFixture: Sendable {
    let isServing = ReadinessFlag()
    /// Whether the hub counts as dead.
    let dead = Mutex(false)
    let stalls = StallLog()
    let registry = MetricsRegistry()

    /// Runs both while `body` acts as their clients.
    ///
    /// - Parameters:
    ///   - stallThreshold: That of the serving hub.
    ///   - routes: Adds the routes of the service.
    func run(
        stallThreshold: Duration? = nil, routes: (Router) -> Void = { _ in },
        _ body: (_ service: TestClient, _ admin: TestClient) async throws -> Void
    ) async throws {
        let router = Router()
        routes(router)
        let listing = router.routes
        var configuration = HTTPServerConfiguration()
        configuration.port = 0
        configuration.hub.name = "serving"
        configuration.hub.countsBridges = true
        configuration.hub.stallThreshold = stallThreshold
        configuration.hub.onReport = { [stalls] in stalls.add($0) }
        try await withMetricsFactory(registry) {
            try await withServer(router, configuration) { port, server in
                let readiness: @Sendable () -> Readiness = { [self] in isServing.readiness }
                let deadHubs: @Sendable () -> [Hub] = { [self] in dead.withLock { $0 } ? server.hubs : [] }
                let admin = Router()
                AdminRoutes(
                    of: "a service", readiness: readiness, deadHubs: deadHubs, hubs: { server.hubs },
                    metrics: { [registry] in registry.snapshot() }, migrations: { await server.migrationReport() },
                    access: AdminAccess(hosts: [], token: nil, isLocal: false),
                    dashboard: StateReader.Sources(
                        service: "shop", version: "1.2.3", routes: listing, readiness: readiness, deadHubs: deadHubs,
                        hubs: { server.hubs }, migrations: { await server.migrationReport() }, registry: registry, stalls: stalls,
                        losses: { (0, 0) }, pool: try OffloadPool(threads: 2, queueLimit: 64, name: "admin"), lease: .seconds(1))
                ).addRoutes(to: admin)
                var configuration = HTTPServerConfiguration()
                configuration.observing.recordsMetrics = false
                // Longer than any test: the test decides when the service answers.
                let service = TestClient(to: .tcp(port: port), TestConnectionOptions(timeout: .seconds(600)))
                try await withTestServer(admin, .live, configuration: configuration) { try await body(service, $0) }
                await service.close()
            }
        }
    }
}
