internal import ArgumentParser
internal import Glibc
internal import Logging
internal import Tandem
internal import TandemHTTP

/// `routes`
struct RoutesCommand<Service: DaemonService>: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "routes", abstract: "Print every route: method, path, style and mode of migration.",
            discussion: """
                With --left: only the routes that are not async yet, then what the running daemon has counted at its admin listener: \
                the calls across both bridges since its start, by place in the code, with the green thread, which is the route.
                """)
    }

    @OptionGroup var options: ConfigurationOptions<Service>

    @Flag(name: .long, help: "Print what is left to migrate.")
    var left = false

    func run() throws {
        let configured = try options.load()
        do {
            let service = try Hub.run {
                try await Service(DaemonContext(for: Service.self, configured, logger: Logger(label: Service.name)))
            }
            let router = Router(service, configured.values)
            try configured.checkMigrations(router.routes, router.check)
            let routes = router.routes.filter { !left || $0.style == .blocking || $0.migration != nil }
            print(Self.table(routes, configured.values.http.migrations), terminator: "")
            if left {
                print("\n" + (try RunningService(adminOf: configured).get("/debug/bridges")), terminator: "")
            }
        } catch let error as ConfigurationError {
            complain(Service.name, "\(error)")
            throw ExitCode(EX_CONFIG)
        } catch {
            complain(Service.name, "\(error)")
            throw ExitCode.failure
        }
    }

    private static func table(_ routes: [RouteDescription], _ migrations: MigrationConfiguration) -> String {
        let methodWidth = routes.map(\.method.rawValue.count).max() ?? 0
        let pathWidth = routes.map(\.path.count).max() ?? 0
        return routes.map { route in
            "\(padded(route.method.rawValue, to: methodWidth))  \(padded(route.path, to: pathWidth))  \(handlers(of: route, migrations))\n"
        }.joined()
    }

    /// Returns the style of a handler; of a migrating route both styles, and the mode that configuration and code give it.
    private static func handlers(of route: RouteDescription, _ migrations: MigrationConfiguration) -> String {
        guard let migration = route.migration else { return route.style.rawValue }
        let item = migrations.routes.last { $0.method == route.method && $0.path == route.path }
        let mode = migrations.isEnabled ? "\(item?.migration ?? migration.mode)" : "old (migrate.enabled is false)"
        return "\(migration.old.rawValue) to \(migration.new.rawValue): \(mode)"
    }

    private static func padded(_ text: String, to width: Int) -> String {
        text + String(repeating: " ", count: width - text.count)
    }
}
