internal import TandemHTTP

/// The values from one source: the command line, the environment, or the file. Each value is checked by the row of its key.
struct ConfigurationSource {
    /// The value of a key, in canonical form, and where it was written.
    struct Value: Equatable {
        var texts: [String]
        var place: String
    }

    let schema: SettingsSchema
    /// The values, by key.
    private(set) var values: [String: Value] = [:]
    /// The problems found in this source.
    private(set) var problems: [ConfigurationError.Problem] = []

    /// A source without values.
    init(_ schema: SettingsSchema) { self.schema = schema }

    /// Stores a value if its row accepts it; otherwise notes what is wrong. Empty items of a list are left out, so that an empty
    /// variable is an empty list.
    mutating func take(_ texts: [String], for setting: Setting, at place: String) {
        let texts = setting.kind == .list ? texts.filter { !$0.isEmpty } : texts
        var canonical: [String] = []
        for text in texts {
            guard let accepted = setting.canonical(text) else {
                return refuse(.unacceptableValue, setting, found: setting.isSecret ? "another text" : quoted(text), at: place)
            }
            canonical.append(accepted)
        }
        values[setting.key] = Value(texts: canonical, place: place)
    }

    /// Notes that the value of a key is wrong.
    mutating func refuse(_ code: ConfigurationError.Code, _ setting: Setting, found: String, at place: String) {
        note(code, "\(setting.key): expected \(setting.expectation), found \(found)", at: place)
    }

    /// Notes what is wrong.
    mutating func note(_ code: ConfigurationError.Code, _ message: String, at place: String) {
        problems.append(.init(code: code, place: place, message: message))
    }
}
