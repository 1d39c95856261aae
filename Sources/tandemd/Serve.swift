internal import ArgumentParser
internal import TandemService

/// `tandemd serve`
struct Serve: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run the service in the foreground, until SIGTERM or SIGINT.",
        discussion: """
            Options win over TANDEM_… variables, these over the configuration file, and that over the defaults.

            SIGTERM and SIGINT stop the service in phases, and a second one ends it at once. SIGHUP reloads the configuration. \
            SIGUSR1 writes what every hub is doing to standard error.

            Ends with 0 after a stop, with 1 when it cannot start or a handler would not end, with 64 for wrong usage, with 78 \
            for a wrong configuration, and with 128 and the signal's number after a second signal.
            """)

    @OptionGroup var options: ConfigurationOptions

    func run() throws {
        let service = Service(try options.load().configuration)
        do {
            try service.run(reloading: options.loader())
        } catch {
            complain("\(error)")
            throw ExitCode.failure
        }
    }
}
