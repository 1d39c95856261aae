internal import ArgumentParser
internal import TandemService

/// `tandemd serve`
struct Serve: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run the service in the foreground, until SIGTERM or SIGINT.",
        discussion: "Options win over TANDEM_… variables, these over the configuration file, and that over the defaults.")

    @OptionGroup var options: ConfigurationOptions

    func run() throws {
        let service = Service(try options.load().configuration)
        do {
            try service.run()
        } catch {
            complain("\(error)")
            throw ExitCode.failure
        }
    }
}
