internal import ArgumentParser

/// `healthcheck`
struct HealthCheckCommand<Service: DaemonService>: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "healthcheck",
            abstract: "Ask the daemon that runs on this machine with this configuration whether it is healthy.",
            discussion: """
                The exit code is 0 when it answers 200 within two seconds, else 1. The command asks the admin listener if there is \
                one, else the first address without TLS, else the first with TLS. A daemon that inherits its sockets needs --url.
                """)
    }

    @OptionGroup var options: ConfigurationOptions<Service>

    @Option(name: .long, help: ArgumentHelp("Ask this URL instead.", valueName: "url"))
    var url: String?

    func run() throws {
        let values = try url == nil ? options.load().values : nil
        do {
            try (values.map { values in try HealthCheck(of: values) } ?? HealthCheck(url: url!)).run()
        } catch {
            complain(Service.name, "\(error)")
            throw ExitCode.failure
        }
    }
}
