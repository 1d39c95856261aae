internal import Configuration

/// The values that one source gives, checked: the command line, the environment, or the file.
struct ConfigurationSource {
    /// A key's value as it was written, and where.
    struct Value: Equatable {
        var texts: [String]
        var place: String
    }

    /// By key.
    private(set) var values: [String: Value] = [:]
    /// What was wrong.
    private(set) var problems: [ConfigurationError.Problem] = []

    /// Takes a value over when the setting accepts it; else notes what is wrong. An empty item of a list is passed over, so
    /// that an empty variable is an empty list.
    mutating func take(_ texts: [String], for setting: Setting, at place: String) {
        let texts = setting.kind == .list ? texts.filter { !$0.isEmpty } : texts
        guard let refused = texts.first(where: { !setting.accepts($0) }) else {
            values[setting.key] = Value(texts: texts, place: place)
            return
        }
        refuse(.unacceptableValue, setting, found: quoted(refused), at: place)
    }

    /// Notes that a setting's value is wrong.
    mutating func refuse(_ code: ConfigurationError.Code, _ setting: Setting, found: String, at place: String) {
        note(code, "\(setting.key): expected \(setting.expectation), found \(found)", at: place)
    }

    /// Notes what is wrong.
    mutating func note(_ code: ConfigurationError.Code, _ message: String, at place: String) {
        problems.append(.init(code: code, place: place, message: message))
    }

    /// The values for swift-configuration.
    func provider(name: String) -> InMemoryProvider {
        var typed: [AbsoluteConfigKey: ConfigValue] = [:]
        for (key, value) in values {
            guard let setting = Setting.named(key) else { continue }
            let content: ConfigContent? =
                switch setting.kind {
                case .integer: value.texts.first.flatMap(wholeNumber).map { .int($0) }
                case .boolean: value.texts.first.map { .bool($0 == "true") }
                case .text: value.texts.first.map { .string($0) }
                case .list: .stringArray(value.texts)
                }
            typed[AbsoluteConfigKey(ConfigKey(key))] = content.map { ConfigValue($0, isSecret: false) }
        }
        return InMemoryProvider(name: name, values: typed)
    }
}

/// A text for a message: quoted, control characters escaped, and no longer than a line can bear.
func quoted(_ text: String) -> String {
    let shown = text.count > 60 ? text.prefix(60) + "…" : text[...]
    return JSON.string(String(shown)).text
}
