internal import ArgumentParser
internal import TandemService

/// The command line of the daemon.
@main
struct Tandemd: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tandemd",
        abstract: "Blocking and async HTTP handlers on one thread.",
        version: tandemVersion,
        subcommands: [Serve.self, CheckConfig.self, CheckHealth.self, Routes.self, Version.self],
        defaultSubcommand: Serve.self)
}
