internal import ArgumentParser
internal import Logging
internal import Tandem
internal import TandemHTTP

/// `routes`
struct RoutesCommand<Service: DaemonService>: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(commandName: "routes", abstract: "Print every route: method, path and style.")
    }

    @OptionGroup var options: ConfigurationOptions<Service>

    func run() throws {
        let configured = try options.load()
        do {
            let service = try Hub.run {
                try await Service(DaemonContext(for: Service.self, configured, logger: Logger(label: Service.name)))
            }
            print(Self.table(Router(service, configured.values).routes), terminator: "")
        } catch {
            complain(Service.name, "\(error)")
            throw ExitCode.failure
        }
    }

    private static func table(_ routes: [RouteDescription]) -> String {
        let methodWidth = routes.map(\.method.rawValue.count).max() ?? 0
        let pathWidth = routes.map(\.path.count).max() ?? 0
        return routes.map { route in
            "\(padded(route.method.rawValue, to: methodWidth))  \(padded(route.path, to: pathWidth))  \(route.style.rawValue)\n"
        }.joined()
    }

    private static func padded(_ text: String, to width: Int) -> String {
        text + String(repeating: " ", count: width - text.count)
    }
}
