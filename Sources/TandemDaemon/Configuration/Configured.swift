internal import Configuration
internal import TandemHTTP

/// The merged configuration of all sources: the value of each key, and the place where it was set.
struct Configured: Sendable {
    let schema: SettingsSchema
    /// The values of the daemon's own keys.
    let values: DaemonConfiguration
    /// The file that was read, if any.
    let file: String?
    /// The place of each value that is not a default, by key: `config/shop.yaml:12`, `SHOP_HTTP_PORT`, `--port`.
    let places: [String: String]
    private let texts: [String: [String]]

    /// Merges the sources: the first that has a value wins.
    init(_ schema: SettingsSchema, _ sources: [ConfigurationSource], file: String?) {
        var (texts, places): ([String: [String]], [String: String]) = ([:], [:])
        var values = DaemonConfiguration()
        for setting in schema.settings {
            guard let value = sources.lazy.compactMap({ $0.values[setting.key] }).first else { continue }
            texts[setting.key] = value.texts
            places[setting.key] = value.place
            setting.store(value.texts, &values)
        }
        (self.schema, self.values, self.file, self.texts, self.places) = (schema, values, file, texts, places)
    }

    /// Returns the value of a key in canonical form: one text, or the items of a list.
    func texts(of setting: Setting) -> [String] { texts[setting.key] ?? setting.defaultTexts }

    /// Returns the keys whose values differ from those of `other` and that take effect as `filter` says.
    func changes(from other: Configured, where filter: (Setting) -> Bool) -> [String] {
        schema.settings.filter { filter($0) && texts(of: $0) != other.texts(of: $0) }.map(\.key)
    }

    /// The values of all keys for swift-configuration.
    var content: [AbsoluteConfigKey: ConfigValue] {
        var content: [AbsoluteConfigKey: ConfigValue] = [:]
        for setting in schema.settings {
            content[AbsoluteConfigKey(ConfigKey(setting.key))] = ConfigValue(
                setting.content(texts(of: setting)), isSecret: setting.isSecret)
        }
        return content
    }

    /// Reads the files that the values name, as the daemon does when it starts. Blocks while it reads. Throws a `TLSError`, which
    /// names the file, or a `ConfigurationError`.
    ///
    /// - Returns: Warnings: problems that need attention but are not errors.
    func checkFiles() throws -> [String] {
        _ = try collectorHeaders()
        _ = try adminToken()
        // A daemon without TLS needs no certificate.
        guard let tls = values.http.tls, !tls.certificates.isEmpty else { return [] }
        return try tls.check()
    }

    /// Reads the header fields for the collector. Blocks while it reads.
    func collectorHeaders() throws(ConfigurationError) -> HTTPFields {
        try read(values.collector.headersFile, of: "trace.otlp-headers-file", CollectorHeaders.read) ?? [:]
    }

    /// Reads the token for the admin listener; nil without one. Blocks while it reads.
    func adminToken() throws(ConfigurationError) -> String? {
        try read(values.adminTokenFile, of: "admin.token-file", AdminToken.read)
    }

    private func read<Content>(
        _ file: String?, of key: String, _ read: (String) throws(FileReadingError) -> Content
    ) throws(ConfigurationError) -> Content? {
        guard let file else { return nil }
        do {
            return try read(file)
        } catch {
            let problem = ConfigurationError.Problem(
                code: .unacceptableValue, place: places[key] ?? key, message: "\(key): \(file): \(error.message)")
            throw ConfigurationError(problems: [problem])
        }
    }
}

extension Setting {
    /// Returns canonical texts as swift-configuration keeps them.
    fileprivate func content(_ texts: [String]) -> ConfigContent {
        switch kind {
        case .integer: .int(Int(parameter: texts[0]) ?? 0)
        case .boolean: .bool(texts[0] == "true")
        case .text: .string(texts[0])
        case .list: .stringArray(texts)
        }
    }
}
