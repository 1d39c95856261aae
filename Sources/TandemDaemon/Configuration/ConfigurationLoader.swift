internal import Glibc

/// A loader of the configuration: the command line overrides the environment, which overrides the file, which overrides the
/// defaults.
///
/// It reports problems in every source, even for values that another source overrides. Otherwise a typing error in a file would
/// show only after a variable is unset.
struct ConfigurationLoader: Sendable {
    /// The known keys.
    let schema: SettingsSchema
    /// The argument of `--config`.
    var file: String?
    /// The values of other options, by key.
    var options: [String: [String]] = [:]
    /// The environment of the process.
    var environment: [String: String] = [:]

    /// Reads and checks every source.
    func load() throws(ConfigurationError) -> Configured {
        var flags = ConfigurationSource(schema)
        for setting in schema.settings {
            if let texts = options[setting.key] { flags.take(texts, for: setting, at: setting.flag ?? setting.key) }
        }
        let path = try chosenFile()
        let sources = [
            flags, ConfigurationSource(schema, environment: environment),
            try path.map { path throws(ConfigurationError) in
                ConfigurationSource(schema, yaml: try readText(path), path: path)
            } ?? ConfigurationSource(schema),
        ]
        let problems = sources.flatMap(\.problems)
        guard problems.isEmpty else { throw ConfigurationError(problems: problems) }
        let configured = Configured(schema, sources, file: path)
        let contradictions = configured.contradictions
        guard contradictions.isEmpty else { throw ConfigurationError(problems: contradictions) }
        return configured
    }

    /// Returns the path of the file. A file that was named must exist; a default one may be missing.
    private func chosenFile() throws(ConfigurationError) -> String? {
        if let file { return file }
        if let named = environment[schema.fileVariable], !named.isEmpty { return named }
        return schema.defaultPaths.first { access($0, F_OK) == 0 }
    }

    private func readText(_ path: String) throws(ConfigurationError) -> String {
        do throws(FileReadingError) {
            return try readTextFile(path, upTo: 1 << 20)
        } catch {
            throw ConfigurationError(problems: [.init(code: .unreadableFile, place: path, message: error.message)])
        }
    }
}
