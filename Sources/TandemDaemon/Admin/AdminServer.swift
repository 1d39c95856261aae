internal import Logging
internal import Tandem
internal import TandemHTTP

/// The admin listener: a server of its own on the hub that supervises. It counts into no metrics, traces nothing and has no
/// access log: those are the service's.
struct AdminServer: Sendable {
    /// Few ask: monitoring, an orchestrator, a person.
    static let mostConnections = 64

    private let server: HTTPServer

    /// A server that does not listen yet.
    init(_ address: ListenAddress, _ routes: AdminRoutes, logger: Logger) {
        let router = Router()
        routes.addRoutes(to: router)
        var configuration = HTTPServerConfiguration()
        configuration.addresses = [address]
        configuration.maxConnections = Self.mostConnections
        configuration.maxBodyBytes = 0
        configuration.observing.recordsMetrics = false
        configuration.observing.tracesRequests = false
        server = HTTPServer(router: router, configuration: configuration, logger: logger)
    }

    /// Serves until `stop`; returns its URL once it listens. On the supervising hub. Throws `DaemonError` when it cannot
    /// listen.
    func start() async throws -> (url: String, running: Task<Void, any Error>) {
        let running = spawn(name: "admin") { try await server.run() }
        do {
            return (try await server.boundAddresses()[0].url, running)
        } catch {
            throw DaemonError(.cannotListen, "\(error). The address comes from the key admin.listen.")
        }
    }

    /// Ends it; who is being answered has a moment.
    func stop() { server.stop(grace: .seconds(1)) }
}
