internal import Glibc
internal import Logging
internal import Tandem
internal import TandemHTTP

/// The daemon's service: its routes, its server, and how it starts and stops.
///
/// The calling thread becomes a hub that supervises: it waits for signals, so that they are heard however busy the hubs that
/// serve are. The server's hubs have threads of their own.
public struct Service: Sendable {
    private let configuration: ServiceConfiguration
    private let logger: Logger
    let upstreams: Upstreams

    /// A service that does not run yet.
    public init(_ configuration: ServiceConfiguration) {
        self.configuration = configuration
        var logger = Logger(label: "tandemd", factory: { StreamLogHandler.standardError(label: $0) })
        logger.logLevel = configuration.logLevel
        self.logger = logger
        upstreams = Upstreams(configuration.fetch)
    }

    /// Every endpoint, as "GET /blocking/sleep".
    public var routes: [String] { router.routes }

    /// Every endpoint.
    var router: Router {
        let router = Router()
        router.get("/healthz", async: { _ in Fixed.ok })
        BlockingHandlers(upstreams: upstreams).addRoutes(to: router)
        AsyncHandlers(upstreams: upstreams).addRoutes(to: router)
        return router
    }

    /// Serves until SIGTERM or SIGINT, then lets requests in flight end within the grace. A second signal ends the process at
    /// once. To be called once, on the main thread, before the process starts others.
    ///
    /// - Throws: `ServiceError` when the server cannot listen.
    @available(*, noasync)
    public func run() throws {
        ProcessSetup.prepare()
        let signals = try Signals()
        let lines = configuration.logsAccess ? try LineWriter(to: STDOUT_FILENO, hubs: configuration.http.hubs) : nil
        try lines?.start()
        defer { lines?.finish() }
        var http = configuration.http
        http.accessLog = lines.map { LineAccessLog(writer: $0) }
        http.hub.name = "tandemd"
        http.hub.stallThreshold = configuration.stallThreshold > .zero ? configuration.stallThreshold : nil
        let logger = logger
        http.hub.onReport = { logger.warning("\($0)") }
        var supervising = HubConfiguration()
        supervising.name = "supervisor"
        supervising.onReport = http.hub.onReport
        let server = HTTPServer(router: router, configuration: http, logger: logger)
        try Hub.run(supervising) { try await supervise(server, signals) }
    }

    /// Serves, and stops at a signal. On the supervising hub.
    private func supervise(_ server: HTTPServer, _ signals: Signals) async throws {
        // Off this hub, so that the server starts its own.
        let serving = Task.detached { try await server.run() }
        do {
            upstreams.serverListens(on: try await server.waitUntilListening())
            let addresses = try await server.boundAddresses().map(\.url).joined(separator: ", ")
            let hubs = configuration.http.hubs
            logger.notice("tandemd \(tandemVersion) listening on \(addresses) with \(hubs) \(hubs == 1 ? "hub" : "hubs")")
        } catch {
            throw ServiceError(cannotListen: error, configuration.http)
        }
        let watching = Hub.current!.spawn(name: "signals") { try await heed(signals, server) }
        try await serving.value
        watching.cancel()
        logger.notice("stopped")
    }

    private func heed(_ signals: Signals, _ server: HTTPServer) async throws {
        var isStopping = false
        try await signals.forEach { signal in
            // Whoever sends two does not want to wait.
            guard !isStopping else { _exit(128 + signal) }
            isStopping = true
            logger.notice("stopping: requests in flight have \(configuration.shutdownGrace) to end")
            server.stop(grace: configuration.shutdownGrace)
        }
    }

    /// The URL of a server at this address.
    static func url(_ host: String, _ port: Int) -> String {
        "http://\(host.contains(":") ? "[\(host)]" : host):\(port)"
    }
}
