internal import ArgumentParser
internal import Logging
public import TandemHTTP

/// A service: its handlers, and the settings that they need. The daemon provides everything else.
///
/// The type that conforms is the program. `@main` gives it the commands `serve`, `check-config`, `settings`, `routes`,
/// `healthcheck`, `doctor` and `version`:
///
///     @main
///     struct Shop: DaemonService {
///         static let name = "shop"
///         static let version = "1.0.0"
///         let context: DaemonContext
///
///         init(_ context: DaemonContext) { self.context = context }
///
///         func addRoutes(to router: Router) {
///             router.get("/stock/{id}") { request in  // blocking
///                 Response(text: try context.client.get("https://stock.example.com/\(request.parameters["id"]!)").text)
///             }
///             router.get("/prices/{id}") { request in  // async
///                 Response(text: try await context.client.get("https://prices.example.com/\(request.parameters["id"]!)").text)
///             }
///         }
///     }
///
/// The daemon reads `config/shop.yaml` or `/etc/shop/shop.yaml`, and variables that begin with `SHOP_`. It listens, limits,
/// logs, counts, traces, reloads on SIGHUP, and stops in phases on SIGTERM.
public protocol DaemonService: Sendable {
    /// The name: of the command, the log, the configuration file and, in capitals, of the environment variables. A lower-case
    /// word, with digits and hyphens.
    static var name: String { get }

    /// The version. The command `version` prints it, and fetches send it in `User-Agent`.
    static var version: String { get }

    /// One line for `--help`.
    static var summary: String { get }

    /// The prefix of the environment variables, without the underscore. By default it is the name in capitals, with underscores
    /// for hyphens.
    static var environmentPrefix: String { get }

    /// The service's own keys. They have the same sources as the daemon's, and are checked, listed and reloaded with them.
    static var settings: [Setting] { get }

    /// Creates the service: reads its settings, and makes what its handlers share.
    ///
    /// The daemon calls this once, on the supervising hub, before it listens. If it throws, the daemon prints the error and does
    /// not start. The command `routes` also creates a service, and nothing else, so open connections to other services only when
    /// a handler first needs them.
    init(_ context: DaemonContext) async throws

    /// Registers the handlers and the middleware, in either style. The daemon calls this once, after `init`.
    func addRoutes(to router: Router)
}

extension DaemonService {
    /// The default: "The service", and the name.
    public static var summary: String { "The service \(name)." }

    /// The default: the name in capitals, with underscores for hyphens.
    public static var environmentPrefix: String { String(name.map { $0 == "-" ? "_" : Character($0.uppercased()) }) }

    /// The default: no keys.
    public static var settings: [Setting] { [] }

    /// Runs the command that the process's arguments name, and ends the process. Call it on the main thread, first; `@main` does.
    public static func main() { DaemonCommand<Self>.main() }

    /// Creates the service with these settings and returns its routes, for tests.
    ///
    ///     try await withTestServer(Shop.makeRouter(settings: ["prices.currency": ["EUR"]])) { client in … }
    ///
    /// The environment and files are not read. `context.client` may fetch from this machine and nowhere else, unless the settings
    /// have `fetch.allow`. Hooks of `onShutdown` and `onReload` do not run.
    ///
    /// - Parameter settings: The values by key: one text each, or the items of a list.
    /// - Throws: ``ConfigurationError``, and any error that the service's `init` throws.
    public static func makeRouter(settings: [String: [String]] = [:]) async throws -> Router {
        let schema = SettingsSchema(of: self)
        var source = ConfigurationSource(schema)
        for (key, texts) in settings.sorted(by: { $0.key < $1.key }) {
            if let setting = schema[key] {
                source.take(texts, for: setting, at: key)
            } else {
                source.note(.unknownKey, "unknown key\(suggestion(for: key, among: schema.settings.map(\.key)))", at: key)
            }
        }
        guard source.problems.isEmpty else { throw ConfigurationError(problems: source.problems) }
        let context = DaemonContext(for: self, Configured(schema, [source], file: nil), logger: Logger(label: name))
        context.outbound.allowLoopback()
        let service = try await Self(context)
        let router = Router()
        service.addRoutes(to: router)
        return router
    }
}
