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
    private let log = LogOutput(STDERR_FILENO)
    private let isServing = ReadinessFlag()
    let upstreams: Upstreams

    /// A service that does not run yet.
    public init(_ configuration: ServiceConfiguration) {
        self.configuration = configuration
        let (log, format) = (log, configuration.logFormat.resolved(for: STDERR_FILENO))
        var logger = Logger(label: "tandemd", factory: { LineLogHandler(label: $0, output: log, format: format) })
        logger.logLevel = configuration.logLevel
        self.logger = logger
        upstreams = Upstreams(configuration.fetch)
    }

    /// Every endpoint, as "GET /blocking/sleep".
    public var routes: [String] { router.routes }

    /// Every endpoint.
    var router: Router {
        let router = Router()
        // The admin listener has it, where there is one.
        if configuration.adminListen == nil { router.get("/healthz", async: { _ in Fixed.ok }) }
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
        let observability = try Observability(configuration, log: log)
        try observability.start()
        defer { observability.finish() }
        var http = configuration.http
        observability.observe(&http)
        http.hub.name = "tandemd"
        http.hub.stallThreshold = configuration.stallThreshold > .zero ? configuration.stallThreshold : nil
        let logger = logger
        http.hub.onReport = { logger.warning("\($0)") }
        var supervising = HubConfiguration()
        supervising.name = "supervisor"
        supervising.onReport = http.hub.onReport
        let server = HTTPServer(router: router, configuration: http, logger: logger)
        let routes = AdminRoutes(
            readiness: { isServing.readiness }, hubs: { server.hubs }, metrics: { observability.metrics() })
        let admin = configuration.adminListen.map { AdminServer($0, routes, logger: logger) }
        try Hub.run(supervising) { try await supervise(server, admin, signals) }
    }

    /// Serves, and stops at a signal. On the supervising hub.
    private func supervise(_ server: HTTPServer, _ admin: AdminServer?, _ signals: Signals) async throws {
        // First and last, so that it says what the server does.
        let adminRunning = try await admin?.start()
        if let adminRunning, let address = configuration.adminListen {
            logger.notice("admin listener on \(Self.url(address.host, adminRunning.port))")
        }
        // Off this hub, so that the server starts its own.
        let serving = Task.detached { try await server.run() }
        do {
            let bound = try await server.boundAddresses()
            upstreams.serverListens(on: bound.first { $0.port != nil && !$0.isTLS }?.port)
            let addresses = bound.map(\.url).joined(separator: ", ")
            isServing.set(true)
            let hubs = configuration.http.hubs
            logger.notice("tandemd \(tandemVersion) listening on \(addresses) with \(hubs) \(hubs == 1 ? "hub" : "hubs")")
        } catch {
            throw ServiceError(cannotListen: error, configuration.http)
        }
        let watching = Hub.current!.spawn(name: "signals") { try await heed(signals, server) }
        try await serving.value
        watching.cancel()
        admin?.stop()
        try await adminRunning?.running.value
        logger.notice("stopped")
    }

    private func heed(_ signals: Signals, _ server: HTTPServer) async throws {
        var isStopping = false
        try await signals.forEach { signal in
            // Whoever sends two does not want to wait.
            guard !isStopping else { _exit(128 + signal) }
            isStopping = true
            isServing.set(false)
            logger.notice("stopping: requests in flight have \(configuration.http.stopGrace) to end")
            server.stop()
        }
    }

    /// The URL of a server at this address.
    static func url(_ host: String, _ port: Int) -> String {
        "http://\(host.contains(":") ? "[\(host)]" : host):\(port)"
    }
}
