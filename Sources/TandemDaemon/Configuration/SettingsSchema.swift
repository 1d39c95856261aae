internal import TandemHTTP

/// All keys of one daemon: its own, and those of its service. It names the variables and files that set them.
struct SettingsSchema: Sendable {
    /// The daemon's name: of its files, its log and its command.
    let name: String
    /// The prefix of its environment variables: `SHOP_`.
    let variablePrefix: String
    /// The keys, the daemon's own first.
    let settings: [Setting]

    private let byKey: [String: Setting]
    private let byVariable: [String: Setting]

    /// Creates the schema of a service. Ends the process with a message if a key of the service cannot be used, because that is a
    /// mistake in the program.
    init<Service: DaemonService>(of service: Service.Type) {
        self.init(name: service.name, environmentPrefix: service.environmentPrefix, service: service.settings)
    }

    init(name: String, environmentPrefix: String, service: [Setting]) {
        if let problem = Self.problem(with: service, of: name) { fatalError("\(name): \(problem)") }
        self.name = name
        variablePrefix = environmentPrefix + "_"
        settings = DaemonSettings.all + service
        byKey = Dictionary(uniqueKeysWithValues: settings.map { ($0.key, $0) })
        let prefix = variablePrefix
        byVariable = Dictionary(uniqueKeysWithValues: settings.map { (Self.variable(prefix, $0), $0) })
    }

    /// Returns what is wrong with the keys of a service, or nil.
    static func problem(with settings: [Setting], of name: String) -> String? {
        guard name.wholeMatch(of: /[a-z][a-z0-9-]*/) != nil else {
            return "the name of a service is a lower-case word, with digits and hyphens, such as shop-api"
        }
        let taken = Set(DaemonSettings.groups.map(\.key))
        var seen = Set(DaemonSettings.all.map { variable("", $0) })
        for setting in settings {
            let (key, group) = (setting.key, String(setting.key.prefix { $0 != "." }))
            if key.wholeMatch(of: /[a-z][a-z0-9-]*(\.[a-z][a-z0-9-]*)*/) == nil {
                return "the key \(quoted(key)) must be lower-case words with digits and hyphens, and dots between groups"
            }
            if taken.contains(group) { return "the key \(key) is in the group \(group), which is the daemon's own" }
            if !seen.insert(variable("", setting)).inserted {
                return "the key \(key) exists already, or another with the same variable"
            }
            if settings.contains(where: { $0.key.hasPrefix(key + ".") }) { return "\(key) is a key and a group of keys, too" }
            if key == "config" { return "the key config would have the variable that names the file" }
            if let bad = setting.defaultTexts.first(where: { setting.canonical($0) == nil }) {
                return "the default of \(key), \(quoted(bad)), is not \(setting.expectation)"
            }
        }
        return nil
    }

    /// The variable that names the file. It has no key, because a file cannot name itself.
    var fileVariable: String { variablePrefix + "CONFIG" }

    /// The paths where the daemon looks for the file if neither `--config` nor the variable names one.
    var defaultPaths: [String] { ["config/\(name).yaml", "/etc/\(name)/\(name).yaml"] }

    /// Returns the row of a key.
    subscript(key: String) -> Setting? { byKey[key] }

    /// Returns the row of an environment variable.
    func setting(ofVariable name: String) -> Setting? { byVariable[name] }

    /// Returns the variable of a key: `TANDEM_HTTP_MAX_CONNECTIONS`.
    func variable(of setting: Setting) -> String { Self.variable(variablePrefix, setting) }

    /// The names of all variables, sorted.
    var variables: [String] { byVariable.keys.sorted() + [fileVariable] }

    /// Returns whether a group has keys.
    func hasGroup(_ key: String) -> Bool { settings.contains { $0.key.hasPrefix(key + ".") } }

    private static func variable(_ prefix: String, _ setting: Setting) -> String {
        prefix + String(setting.key.map { $0 == "." || $0 == "-" ? "_" : Character($0.uppercased()) })
    }
}
