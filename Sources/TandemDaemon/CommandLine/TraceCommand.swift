internal import ArgumentParser
internal import Glibc

/// `trace`
struct TraceCommand<Service: DaemonService>: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "trace",
            abstract: "Record what the hubs of the daemon that runs with this configuration do, and print the trace.",
            discussion: """
                The trace is JSON that https://ui.perfetto.dev opens. Redirect it to a file. The daemon needs an admin \
                listener.
                """)
    }

    @OptionGroup var options: ConfigurationOptions<Service>

    @Option(name: .long, help: ArgumentHelp("The length of the trace: 1 to 30 seconds.", valueName: "n"))
    var seconds = 5

    func validate() throws {
        guard TraceRoute.lengths ~= seconds else {
            throw ValidationError("--seconds: expected \(TraceRoute.lengths.lowerBound) to \(TraceRoute.lengths.upperBound)")
        }
    }

    func run() throws {
        let configured = try options.load()
        do {
            // The daemon sends up to 64 MiB after the recording.
            let patience = Duration.seconds(seconds + 30)
            print(
                try RunningService(adminOf: configured).get("/debug/trace?seconds=\(seconds)", within: patience), terminator: "")
        } catch {
            complain(Service.name, "\(error)")
            throw ExitCode.failure
        }
    }
}
