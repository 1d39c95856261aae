internal import ArgumentParser
internal import TandemService

/// `tandemd healthcheck`
struct CheckHealth: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "healthcheck",
        abstract: "Ask the service that runs on this machine with this configuration whether it is well.",
        discussion: "Ends with 0 when it answers 200 within two seconds, else with 1.")

    @OptionGroup var options: ConfigurationOptions

    @Option(name: .long, help: ArgumentHelp("Ask here instead.", valueName: "url"))
    var url: String?

    func run() throws {
        let check = try url.map { HealthCheck(url: $0) } ?? HealthCheck(of: options.load().configuration)
        do {
            try check.run()
        } catch {
            complain("\(error)")
            throw ExitCode.failure
        }
    }
}
