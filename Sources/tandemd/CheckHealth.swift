internal import ArgumentParser
internal import TandemService

/// `tandemd healthcheck`
struct CheckHealth: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "healthcheck",
        abstract: "Ask the service that runs on this machine with this configuration whether it is well.",
        discussion: """
            Ends with 0 when it answers 200 within two seconds, else with 1. It asks the admin listener if there is one, else \
            the first address without TLS, else the first with TLS. A service that inherits its sockets needs --url.
            """)

    @OptionGroup var options: ConfigurationOptions

    @Option(name: .long, help: ArgumentHelp("Ask here instead.", valueName: "url"))
    var url: String?

    func run() throws {
        let configuration = try url == nil ? options.load().configuration : nil
        do {
            try (configuration.map { configuration in try HealthCheck(of: configuration) } ?? HealthCheck(url: url!)).run()
        } catch {
            complain("\(error)")
            throw ExitCode.failure
        }
    }
}
