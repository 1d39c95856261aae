extension ConfigurationSource {
    /// What starts the name of every variable of ours.
    static let variablePrefix = "TANDEM_"
    /// Names the file to read; has no key, since a file cannot name itself.
    static let fileVariable = "TANDEM_CONFIG"
    /// Turns the fast paths of the libraries off. It has no key: it is for tests, not for operation.
    static let fastPathsVariable = "TANDEM_FAST_PATHS"

    /// The environment's values. A variable that starts like ours and belongs to no key is a typing error and is refused,
    /// unless a container platform has set it.
    init(environment: [String: String]) {
        let settings = Dictionary(uniqueKeysWithValues: Setting.all.map { ($0.environmentVariable, $0) })
        for (name, value) in environment.sorted(by: { $0.key < $1.key }) where name.hasPrefix(Self.variablePrefix) {
            if let setting = settings[name] {
                let texts = setting.kind == .list ? value.split(separator: ",").map(trimmed) : [value]
                take(texts, for: setting, at: name)
            } else if name != Self.fileVariable, name != Self.fastPathsVariable, !Self.isServiceLink(name, value) {
                let known = settings.keys.sorted() + [Self.fileVariable]
                note(.unknownVariable, "unknown variable\(suggestion(for: name, among: known))", at: name)
            }
        }
    }

    /// Whether this is what Kubernetes and Docker set, in every container, for a service whose name happens to start with
    /// "tandem": TANDEM_SERVICE_HOST, TANDEM_PORT=tcp://…, TANDEM_PORT_8080_TCP_ADDR, …
    static func isServiceLink(_ name: String, _ value: String) -> Bool {
        name.hasSuffix("_SERVICE_HOST") || name.contains("_SERVICE_PORT") || name.contains("_PORT") && value.contains("://")
            || name.firstMatch(of: /_PORT_[0-9]+_(TCP|UDP|SCTP)_(PROTO|PORT|ADDR)$/) != nil
    }
}

private func trimmed(_ text: Substring) -> String {
    let start = text.drop { $0 == " " }
    return String(start.reversed().drop { $0 == " " }.reversed())
}
