internal import ArgumentParser
internal import Glibc
internal import Logging
internal import Tandem
internal import TandemHTTP

/// `check-config`
struct CheckConfigCommand<Service: DaemonService>: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "check-config",
            abstract: "Check the configuration, and print the current values and where each comes from.",
            discussion: """
                Reads certificates and keys, too. The exit code is 78 when something is wrong. The output is itself a configuration \
                file.
                """)
    }

    @OptionGroup var options: ConfigurationOptions<Service>

    func run() throws {
        let configured = try options.load()
        do {
            for warning in try configured.checkFiles() { complain(Service.name, warning) }
            try checkMigrations(configured)
        } catch {
            complain(Service.name, "\(error)")
            throw ExitCode(EX_CONFIG)
        }
        print("# \(Service.name) \(Service.version), \(configured.file ?? "no configuration file")")
        print(configured.yaml)
    }
}

extension CheckConfigCommand {
    /// Checks `migrate.routes` against the routes of the service. Only then the command creates a service, as `routes` does.
    private func checkMigrations(_ configured: Configured) throws {
        guard !configured.values.http.migrations.routes.isEmpty else { return }
        let service = try Hub.run {
            try await Service(DaemonContext(for: Service.self, configured, logger: Logger(label: Service.name)))
        }
        let router = Router(service, configured.values)
        try configured.checkMigrations(router.routes, router.check)
    }
}

/// `settings`
struct SettingsCommand<Service: DaemonService>: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "settings",
            abstract: "Print a configuration file with every key, its default and its explanation.")
    }

    @Flag(name: .long, help: "Print a table in Markdown instead.")
    var markdown = false

    func run() {
        let schema = SettingsSchema(of: Service.self)
        print(markdown ? schema.markdownTable : schema.commentedYAML, terminator: "")
    }
}
