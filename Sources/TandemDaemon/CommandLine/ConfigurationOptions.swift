internal import ArgumentParser
internal import Glibc

/// The options that set the configuration.
struct ConfigurationOptions<Service: DaemonService>: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Read this configuration file.",
            discussion: """
                Without it: the file that \(Service.environmentPrefix)_CONFIG names, else config/\(Service.name).yaml or \
                /etc/\(Service.name)/\(Service.name).yaml, if there is one.
                """, valueName: "file"))
    var config: String?

    @Option(name: .long, help: ArgumentHelp("Listen on this address (http.host).", valueName: "host"))
    var host: String?

    @Option(name: .long, help: ArgumentHelp("Listen on this port; 0 lets the kernel choose (http.port).", valueName: "port"))
    var port: Int?

    @Option(name: .long, help: ArgumentHelp("Serve on this many threads (http.hubs).", valueName: "n"))
    var hubs: Int?

    @Option(
        name: .long,
        help: ArgumentHelp("Let handlers also fetch from this origin; may be repeated (fetch.allow).", valueName: "origin"))
    var fetchAllow: [String] = []

    /// Loads the configuration. If it is wrong, prints the problems and ends the process with 78.
    func load() throws -> Configured {
        do {
            return try loader().load()
        } catch {
            complain(Service.name, "\(error)")
            throw ExitCode(EX_CONFIG)
        }
    }

    /// Returns the loader for these options, the environment of the process, and the file.
    func loader() -> ConfigurationLoader {
        var options: [String: [String]] = [:]
        options["http.host"] = host.map { [$0] }
        options["http.port"] = port.map { [String($0)] }
        options["http.hubs"] = hubs.map { [String($0)] }
        options["fetch.allow"] = fetchAllow.isEmpty ? nil : fetchAllow
        return ConfigurationLoader(
            schema: SettingsSchema(of: Service.self), file: config, options: options, environment: environment())
    }

    private func environment() -> [String: String] {
        var variables: [String: String] = [:]
        var entry = environ
        while let text = entry.pointee {
            let parts = String(cString: text).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if parts.count == 2 { variables[String(parts[0])] = String(parts[1]) }
            entry += 1
        }
        return variables
    }
}
