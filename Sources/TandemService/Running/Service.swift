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
    private let level: SharedLevel
    let upstreams: Upstreams

    /// A service that does not run yet.
    public init(_ configuration: ServiceConfiguration) {
        self.configuration = configuration
        let level = SharedLevel(configuration.logLevel)
        self.level = level
        logger = Logger(label: "tandemd", factory: { AdjustableLevel(StreamLogHandler.standardError(label: $0), level) })
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
        } catch let error as TandemError {
            throw ServiceError(cannotStart: error)
        }
    }

    private func serve(_ loader: ConfigurationLoader?) throws {
        ProcessSetup.prepare()
        let signals = try Signals()
        // Also without an access log: a reload may ask for one.
        let lines = try LineWriter(to: STDOUT_FILENO, hubs: configuration.http.hubs)
        try lines.start()
        defer { lines.finish() }
        let server = HTTPServer(router: router, configuration: http(configuration, lines), logger: logger)
        let reloader = loader.map { loader in
            Reloader(loader, configuration, logger: logger) { new in
                try server.reload(http(new, lines))
                upstreams.reload(new.fetch)
                level.value = new.logLevel
            }
        }
        var supervising = HubConfiguration()
        supervising.name = "supervisor"
        supervising.onReport = report
        let supervisor = Supervisor(
            server: server, signals: signals, notifier: Notifier { getenv($0).map { String(cString: $0) } }, reloader: reloader,
            logger: logger, listens: { place(of: $0) }, flush: { lines.finish() })
        try Hub.run(supervising) { try await supervisor.run() }
    }

    /// The server's configuration as this one has it: at the start, and at each reload.
    private func http(_ configuration: ServiceConfiguration, _ lines: LineWriter) -> HTTPServerConfiguration {
        var http = configuration.http
        http.accessLog = configuration.logsAccess ? LineAccessLog(writer: lines) : nil
        http.hub.name = "tandemd"
        http.hub.stallThreshold = configuration.stallThreshold > .zero ? configuration.stallThreshold : nil
        http.hub.onReport = report
        return http
    }

    private var report: @Sendable (HubReport) -> Void { { [logger] in logger.warning("\($0)") } }

    /// The server listens: its own origin may be fetched from now on. Returns where that is, as text.
    private func place(of addresses: [ListenAddress]) -> String {
        upstreams.serverListens(on: addresses.lazy.compactMap(\.port).first ?? 0)
        let hubs = configuration.http.hubs
        let places = addresses.map { address in
            address.port == nil ? "\(address)" : "\(address.isTLS ? "https" : "http")://\(address)"
        }
        return "\(places.joined(separator: ", ")) with \(hubs) \(hubs == 1 ? "hub" : "hubs")"
    }
}
