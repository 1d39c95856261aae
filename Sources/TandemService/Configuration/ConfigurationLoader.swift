internal import Configuration
internal import Glibc
internal import TandemHTTP

/// Puts the configuration together: the command line over the environment over the file over the defaults.
///
/// Whatever is wrong in any of them is reported, also where another source would have had its way: a typing error in a file
/// should not wait for the day when a variable is unset.
public struct ConfigurationLoader: Sendable {
    /// Where the file is looked for when neither `--config` nor TANDEM_CONFIG names one.
    public static let defaultPaths = ["config/tandemd.yaml", "/etc/tandemd/tandemd.yaml"]

    /// What `load` gives.
    public struct Loaded: Sendable {
        /// The values in force.
        public let configuration: ServiceConfiguration
        /// The file that was read, if any.
        public let file: String?
        /// By key, where its value comes from; keys with their default are left out.
        public let places: [String: String]

        /// Reads the files that the values name, as a start would. Blocks while it reads. Throws a `TLSError`, which names the
        /// file.
        ///
        /// - Returns: What is no error and wants attention all the same.
        public func checkFiles() throws -> [String] {
            // A service without TLS needs no certificate.
            guard let tls = configuration.http.tls, !tls.certificates.isEmpty else { return [] }
            return try tls.check()
        }
    }

    /// `--config`.
    public var file: String?
    /// Other options, by key.
    public var options: [String: [String]]
    /// The process's environment.
    public var environment: [String: String]

    /// A loader for these options and this environment.
    public init(file: String? = nil, options: [String: [String]] = [:], environment: [String: String]) {
        self.file = file
        self.options = options
        self.environment = environment
    }

    /// Reads and checks every source.
    public func load() throws(ConfigurationError) -> Loaded {
        var flags = ConfigurationSource()
        for setting in Setting.all {
            if let texts = options[setting.key] { flags.take(texts, for: setting, at: setting.flag ?? setting.key) }
        }
        let variables = ConfigurationSource(environment: environment)
        let path = try chosenFile()
        let values = try path.map { path throws(ConfigurationError) in
            ConfigurationSource(yaml: try readText(path), path: path)
        }
        let sources = [flags, variables, values ?? ConfigurationSource()]
        let problems = sources.flatMap(\.problems)
        guard problems.isEmpty else { throw ConfigurationError(problems: problems) }

        let reader = ConfigReader(providers: [
            flags.provider(name: "command line"),
            EnvironmentVariablesProvider(environmentVariables: environment).prefixKeys(with: "tandem"),
            sources[2].provider(name: path ?? "no file"),
        ])
        var places: [String: String] = [:]
        for source in sources { places.merge(source.values.mapValues(\.place)) { first, _ in first } }
        let loaded = Loaded(configuration: ServiceConfiguration(reader: reader), file: path, places: places)
        let contradictions = loaded.contradictions
        guard contradictions.isEmpty else { throw ConfigurationError(problems: contradictions) }
        return loaded
    }

    /// A file that was named must be there; a default one may be missing.
    private func chosenFile() throws(ConfigurationError) -> String? {
        if let file { return file }
        if let named = environment[ConfigurationSource.fileVariable], !named.isEmpty { return named }
        return Self.defaultPaths.first { access($0, F_OK) == 0 }
    }

    private func readText(_ path: String) throws(ConfigurationError) -> String {
        do throws(FileReadingError) {
            return try readTextFile(path, upTo: 1 << 20)
        } catch {
            throw ConfigurationError(problems: [.init(code: .unreadableFile, place: path, message: error.message)])
        }
    }
}
