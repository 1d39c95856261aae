internal import Logging
internal import Tandem
internal import TandemHTTP

/// The admin listener: a separate server on the supervising hub. It has no metrics, traces or access log; those are for the
/// service's own traffic.
struct AdminServer: Sendable {
    /// The maximum number of connections. Only monitoring, an orchestrator and operators connect.
    static let mostConnections = 64

    private let server: HTTPServer

    /// Creates a server that does not listen yet.
    init(_ address: ListenAddress, _ routes: AdminRoutes, logger: Logger) {
        let router = Router()
        routes.addRoutes(to: router)
        var configuration = HTTPServerConfiguration()
        configuration.addresses = [address]
        configuration.maxConnections = Self.mostConnections
        configuration.maxBodyBytes = 0
        // A client that never completes its head must not take a place from a probe for long.
        configuration.headerTimeout = .seconds(2)
        // A browser that closes an event stream gives its place among the viewers back after this. A client that half-closes its
        // connection loses an answer that takes longer, as that of /debug/hub does while code holds a hub.
        configuration.halfCloseGrace = .milliseconds(500)
        configuration.observing.recordsMetrics = false
        configuration.observing.tracesRequests = false
        server = HTTPServer(router: router, configuration: configuration, logger: logger)
    }

    /// Starts the server, and returns its URL once it listens. It serves until `stop`. Must be called on the supervising hub.
    ///
    /// - Throws: `DaemonError` if the server cannot listen.
    func start() async throws -> (url: String, running: Task<Void, any Error>) {
        let running = spawn(name: "admin") { try await server.run() }
        do {
            return (try await server.boundAddresses()[0].url, running)
        } catch {
            throw DaemonError("\(error). The address comes from the key admin.listen.")
        }
    }

    /// Stops the server. Requests in flight have one second to finish.
    func stop() { server.stop(grace: .seconds(1)) }
}
