internal import ArgumentParser
internal import Glibc
internal import TandemService

/// The options that set the configuration.
struct ConfigurationOptions: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Read this configuration file.",
            discussion: """
                Without it: the one TANDEM_CONFIG names, else config/tandemd.yaml or /etc/tandemd/tandemd.yaml if there is one.
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
        help: ArgumentHelp("Let handlers fetch from this origin too; may be repeated (fetch.allow).", valueName: "origin"))
    var fetchAllow: [String] = []

    /// Puts the configuration together. Leaves the process with 78 and says what is wrong, when something is.
    func load() throws -> ConfigurationLoader.Loaded {
        do {
            return try loader().load()
        } catch {
            complain("\(error)")
            throw ExitCode(EX_CONFIG)
        }
    }

    /// What reads the configuration, from the file, the environment and these options.
    func loader() -> ConfigurationLoader {
        var options: [String: [String]] = [:]
        options["http.host"] = host.map { [$0] }
        options["http.port"] = port.map { [String($0)] }
        options["http.hubs"] = hubs.map { [String($0)] }
        options["fetch.allow"] = fetchAllow.isEmpty ? nil : fetchAllow
        return ConfigurationLoader(file: config, options: options, environment: environment())
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

/// Says on standard error what is wrong, a line for each thing.
func complain(_ message: String) {
    let lines = message.split(separator: "\n").map { "tandemd: \($0)\n" }.joined()
    _ = Array(lines.utf8).withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
}
