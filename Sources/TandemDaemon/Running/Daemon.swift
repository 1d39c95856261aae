internal import Glibc
internal import Logging
internal import Tandem
internal import TandemHTTP
internal import TandemPatch

/// One run of a daemon: it creates the service, its server and everything around it, from a configuration.
///
/// The calling thread becomes a hub that supervises: see `Supervisor`. The serving hubs have separate threads.
struct Daemon<Service: DaemonService> {
    private let configured: Configured
    private let loader: ConfigurationLoader
    private let logger: Logger
    private let log = LogOutput(STDERR_FILENO)
    private let level: SharedLevel
    /// The stalls, for the dashboard.
    private let stalls = StallLog()

    private var values: DaemonConfiguration { configured.values }

    /// Creates a daemon that does not run yet. A reload reads the configuration with `loader`.
    init(_ configured: Configured, _ loader: ConfigurationLoader) {
        self.configured = configured
        self.loader = loader
        let level = SharedLevel(configured.values.logLevel)
        self.level = level
        let (log, format) = (log, configured.values.logFormat.format(for: STDERR_FILENO))
        logger = Logger(
            label: Service.name,
            factory: { AdjustableLevel(LineLogHandler(label: $0, output: log, format: format), level) })
    }

    /// Serves until SIGTERM or SIGINT, then stops in phases. A second signal ends the process at once. SIGHUP reloads the
    /// configuration, SIGUSR1 writes what each hub is doing to standard error. Call it once, on the main thread, before the
    /// process starts other threads.
    ///
    /// - Throws: `DaemonError` when the daemon cannot start; `ConfigurationError` when the configuration does not fit the service.
    func run() throws {
        do {
            try serve()
        } catch let error where !(error is DaemonError || error is ConfigurationError) {
            throw DaemonError(cannotStart: error, loader.schema)
        }
    }

    private func serve() throws {
        ProcessSetup.prepare()
        patchLegacyCode()
        let signals = try Signals()
        let observability = try Observability(values, log: log, exporter: try makeExporter())
        try observability.start()
        defer { observability.finish() }
        let supervisor = Supervisor(
            signals: signals, notifier: Notifier { getenv($0).map { String(cString: $0) } },
            about: "\(Service.name) \(Service.version)", deadAfter: values.deadAfter, logger: logger,
            flush: { observability.finish() })
        var supervising = HubConfiguration()
        supervising.name = "supervisor"
        supervising.onReport = report
        supervising.servesMainActor = values.http.hub.takesOverGlobalExecutor
        try Hub.run(supervising) {
            try await exporting(observability) {
                try await supervisor.run { try await start(observability, supervisor) }
            }
        }
    }

    /// Creates the exporter of spans; returns nil without a collector or without traces.
    private func makeExporter() throws(ConfigurationError) -> SpanExporter? {
        let collector = values.collector
        guard values.traceMode != .off, let endpoint = collector.endpoint else { return nil }
        return SpanExporter(
            SpanExporter.Settings(
                endpoint: endpoint, batch: collector.batch, interval: collector.interval, timeout: collector.timeout),
            queue: SpanQueue(limit: collector.queue, batch: collector.batch),
            resource: OTLPRequest.Resource(
                service: Service.name, version: Service.version, host: hostName(), processID: getpid()),
            fetch: values.fetch.client, headers: try configured.collectorHeaders(), logger: logger)
    }

    /// Runs `body` while the exporter runs, and then exports the remaining spans. On the supervising hub.
    private func exporting(_ observability: Observability, _ body: () async throws -> Void) async throws {
        guard let exporter = observability.exporter else { return try await body() }
        let running = spawn(name: "span exporter") { await exporter.run { observability.exemplify($0) } }
        do {
            try await body()
        } catch {
            await exporter.finish(running)
            throw error
        }
        await exporter.finish(running)
    }

    /// Makes blocking calls of libc park green threads, as far as the executable is linked for it.
    private func patchLegacyCode() {
        guard values.patchesLegacyCode else {
            return logger.notice("legacy.patch is false: blocking calls of libc hold their hub")
        }
        let unbound = TandemPatch.installBound(values.patchesFiles ? .all : .standard)
        guard !unbound.isEmpty else { return }
        let functions = unbound.map(\.function).joined(separator: ", ")
        let left =
            TandemPatch.installed.isEmpty ? "all blocking calls of libc" : "\(functions) and the functions of the same areas"
        logger.warning("legacy.patch: \(left) hold the hub. \(unbound.map(\.description).joined(separator: " "))")
    }

    /// Creates the service and its server, neither of which runs yet. On the supervising hub.
    private func start(_ observability: Observability, _ supervisor: Supervisor) async throws -> Supervisor.Parts {
        let context = DaemonContext(for: Service.self, configured, logger: logger)
        let service = try await Service(context)
        let router = Router(service, values)
        let routes = router.routes
        let server = HTTPServer(router: router, configuration: http(values, observability), logger: logger)
        try configured.checkMigrations(routes, server.check)
        server.onListening { context.outbound.serverListens(on: $0) }
        context.use(server)
        let token = try configured.adminToken()
        if let exposed = values.exposedAdmin, token == nil {
            logger.warning(
                "admin.listen: other machines can reach \(exposed), which tells what the service is doing: set admin.token-file")
        }
        let access = AdminAccess(hosts: values.adminHosts, token: token, isLocal: values.adminListen?.path != nil)
        let reloader = Reloader(loader, configured, logger: logger) { [self] new in
            try new.checkMigrations(routes, server.check)
            let (headers, token) = try await offload {
                _ = try new.checkFiles()
                return (try new.collectorHeaders(), try new.adminToken())
            }
            try await context.reload(new) { try server.reload(http(new.values, observability)) }
            observability.exporter?.reload(new.values.fetch.client, headers)
            access.reload(hosts: new.values.adminHosts, token: token)
            level.value = new.values.logLevel
        }
        let admin = try values.adminListen.map { address in
            let readiness: @Sendable () -> Readiness = {
                Readiness(phase: "\(server.phase)", isReady: server.phase.isReady)
            }
            // Symbols and histograms, for one viewer at a time.
            let dashboard = try (values.hasDashboard ? observability.registry : nil).map { registry in
                StateReader.Sources(
                    service: Service.name, version: Service.version, routes: routes, readiness: readiness,
                    deadHubs: { supervisor.deadHubs() }, hubs: { server.hubs }, migrations: { await server.migrationReport() },
                    registry: registry, stalls: stalls, losses: { observability.losses },
                    pool: try OffloadPool(threads: 2, queueLimit: 64, name: "admin"))
            }
            let routes = AdminRoutes(
                of: "\(Service.name) \(Service.version)", readiness: readiness,
                deadHubs: { supervisor.deadHubs() }, hubs: { server.hubs }, metrics: { observability.metrics() },
                migrations: { await server.migrationReport() }, access: access, dashboard: dashboard)
            return AdminServer(address, routes, logger: logger)
        }
        return Supervisor.Parts(server: server, admin: admin, reloader: reloader)
    }

    /// Returns the server's configuration, at the start and at each reload.
    private func http(_ values: DaemonConfiguration, _ observability: Observability) -> HTTPServerConfiguration {
        var http = values.http
        observability.observe(&http, logsAccess: values.logsAccess)
        http.hub.name = Service.name
        http.hub.countsBridges = values.adminListen != nil
        http.hub.stallThreshold = values.stallThreshold > .zero ? values.stallThreshold : nil
        http.hub.onReport = report
        return http
    }

    private var report: @Sendable (HubReport) -> Void {
        { [logger, stalls] report in
            stalls.add(report)
            logger.warning("\(report)")
        }
    }
}

/// Returns the name of this machine; an empty text if it has none.
private func hostName() -> String {
    var name = [CChar](repeating: 0, count: 256)
    guard gethostname(&name, name.count - 1) == 0 else { return "" }
    return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

extension Router {
    /// The routes of a service, and those that the daemon adds.
    convenience init(_ service: some DaemonService, _ values: DaemonConfiguration) {
        self.init()
        // With an admin listener, the admin listener answers /healthz.
        if values.adminListen == nil { get("/healthz") { _ async in AdminRoutes.ok } }
        service.addRoutes(to: self)
    }
}
