internal import ArgumentParser
internal import Glibc

/// `serve`
struct ServeCommand<Service: DaemonService>: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "serve", abstract: "Serve in the foreground until SIGTERM or SIGINT (the default command).",
            discussion: """
                Options override \(Service.environmentPrefix)_… variables, which override the configuration file, which overrides \
                the defaults.

                SIGTERM and SIGINT stop the service in phases; a second one ends the process at once. SIGHUP reloads the \
                configuration. SIGUSR1 writes what each hub is doing to standard error.

                The exit code is 0 after a stop, 1 when the daemon cannot start or a handler does not end, 64 for wrong usage, 78 \
                for a wrong configuration, and 128 plus the signal's number after a second signal.
                """)
    }

    @OptionGroup var options: ConfigurationOptions<Service>

    func run() throws {
        let daemon = Daemon<Service>(try options.load(), options.loader())
        do {
            try daemon.run()
        } catch let error as ConfigurationError {
            complain(Service.name, "\(error)")
            throw ExitCode(EX_CONFIG)
        } catch {
            complain(Service.name, "\(error)")
            throw ExitCode.failure
        }
    }
}
