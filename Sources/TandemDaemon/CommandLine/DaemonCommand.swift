internal import ArgumentParser
internal import Glibc

/// The command line of a daemon. Each command is a separate type in this folder.
struct DaemonCommand<Service: DaemonService>: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: Service.name, abstract: Service.summary, version: Service.version,
            subcommands: [
                ServeCommand<Service>.self, CheckConfigCommand<Service>.self, SettingsCommand<Service>.self,
                RoutesCommand<Service>.self, TopCommand<Service>.self, TraceCommand<Service>.self,
                HealthCheckCommand<Service>.self, DoctorCommand<Service>.self, VersionCommand<Service>.self,
            ],
            defaultSubcommand: ServeCommand<Service>.self)
    }
}

/// `version`
struct VersionCommand<Service: DaemonService>: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(commandName: "version", abstract: "Print the version.")
    }

    func run() { print("\(Service.name) \(Service.version)") }
}

/// Writes a message to standard error. Each line starts with the name of the daemon.
func complain(_ name: String, _ message: String) {
    let lines = message.split(separator: "\n").map { "\(name): \($0)\n" }.joined()
    _ = Array(lines.utf8).withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
}
