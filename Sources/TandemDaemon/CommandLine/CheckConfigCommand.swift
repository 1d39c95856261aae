internal import ArgumentParser
internal import Glibc

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
        } catch {
            complain(Service.name, "\(error)")
            throw ExitCode(EX_CONFIG)
        }
        print("# \(Service.name) \(Service.version), \(configured.file ?? "no configuration file")")
        print(configured.yaml)
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
