internal import Glibc
internal import Logging
internal import Tandem
internal import TandemHTTP

/// The daemon's service: its routes, its server, and how both are set up from the configuration.
///
/// The calling thread becomes a hub that supervises: see `Supervisor`. The server's hubs have threads of their own.
public struct Service: Sendable {
    private let configuration: ServiceConfiguration
    private let logger: Logger
    private let log = LogOutput(STDERR_FILENO)
    private let level: SharedLevel
    let upstreams: Upstreams

    /// A service that does not run yet.
    public init(_ configuration: ServiceConfiguration) {
        self.configuration = configuration
        let level = SharedLevel(configuration.logLevel)
        self.level = level
        let (log, format) = (log, configuration.logFormat.resolved(for: STDERR_FILENO))
        logger = Logger(
            label: "tandemd", factory: { AdjustableLevel(LineLogHandler(label: $0, output: log, format: format), level) })
        upstreams = Upstreams(configuration.fetch)
    }

    /// Every endpoint, one per line: method, path and style, in columns.
    public var routes: String {
        let routes = router.routes.map { ($0.method.rawValue, $0.path, $0.style.rawValue) }
        let methodWidth = routes.map(\.0.count).max() ?? 0
        let pathWidth = routes.map(\.1.count).max() ?? 0
        return routes.map { method, path, style in
            "\(padded(method, to: methodWidth))  \(padded(path, to: pathWidth))  \(style)\n"
        }.joined()
    }

    private func padded(_ text: String, to width: Int) -> String { text + String(repeating: " ", count: width - text.count) }

    /// Every endpoint.
    var router: Router {
        let router = Router()
        // The admin listener has it, where there is one.
        if configuration.adminListen == nil { router.get("/healthz") { _ async in Fixed.ok } }
        BlockingHandlers(upstreams: upstreams).addRoutes(to: router)
        AsyncHandlers(upstreams: upstreams).addRoutes(to: router)
        return router
    }

    /// Serves until SIGTERM or SIGINT, then stops in phases. A second signal ends the process at once. SIGHUP reloads the
    /// configuration, SIGUSR1 writes what every hub is doing to standard error. To be called once, on the main thread, before
    /// the process starts others.
    ///
    /// - Parameter loader: What the configuration came from, and comes from again at SIGHUP; nil to ignore that signal.
    /// - Throws: `ServiceError` when the server cannot start.
    @available(*, noasync)
    public func run(reloading loader: ConfigurationLoader? = nil) throws {
        do {
            try serve(loader)
        } catch let error where !(error is ServiceError) {
            throw ServiceError(cannotStart: error)
        }
    }

    private func serve(_ loader: ConfigurationLoader?) throws {
        ProcessSetup.prepare()
        let signals = try Signals()
        let observability = try Observability(configuration, log: log)
        try observability.start()
        defer { observability.finish() }
        let server = HTTPServer(router: router, configuration: http(configuration, observability), logger: logger)
        let reloader = loader.map { loader in
            Reloader(loader, configuration, logger: logger) { new in
                try server.reload(http(new, observability))
                upstreams.reload(new.fetch)
                level.value = new.logLevel
            }
        }
        let routes = AdminRoutes(
            readiness: { Readiness(phase: "\(server.phase)", isReady: server.phase.isReady) }, hubs: { server.hubs },
            metrics: { observability.metrics() })
        let supervisor = Supervisor(
            server: server, admin: configuration.adminListen.map { AdminServer($0, routes, logger: logger) }, signals: signals,
            notifier: Notifier { getenv($0).map { String(cString: $0) } }, reloader: reloader, logger: logger,
            listens: { place(of: $0) }, flush: { observability.finish() })
        var supervising = HubConfiguration()
        supervising.name = "supervisor"
        supervising.onReport = report
        try Hub.run(supervising) { try await supervisor.run() }
    }

    /// The server's configuration as this one has it: at the start, and at each reload.
    private func http(_ configuration: ServiceConfiguration, _ observability: Observability) -> HTTPServerConfiguration {
        var http = configuration.http
        observability.observe(&http, logsAccess: configuration.logsAccess)
        http.hub.name = "tandemd"
        http.hub.stallThreshold = configuration.stallThreshold > .zero ? configuration.stallThreshold : nil
        http.hub.onReport = report
        return http
    }

    private var report: @Sendable (HubReport) -> Void { { [logger] in logger.warning("\($0)") } }

    /// The server listens: its own origin may be fetched from now on. Returns where that is, as text.
    private func place(of addresses: [ListenAddress]) -> String {
        upstreams.serverListens(on: addresses.lazy.filter { !$0.isTLS }.compactMap(\.port).first ?? 0)
        let hubs = configuration.http.hubs
        let places = addresses.map(\.url)
        return "\(places.joined(separator: ", ")) with \(hubs) \(hubs == 1 ? "hub" : "hubs")"
    }
}
