extension ConfigurationSource {
    /// The variable that turns off the fast paths of the libraries. It has no key, because it is only for tests.
    private static let fastPathsVariable = "TANDEM_FAST_PATHS"

    /// Reads the values of the environment. A variable that has the daemon's prefix and belongs to no key is refused as a typing
    /// error, unless a container platform sets it.
    init(_ schema: SettingsSchema, environment: [String: String]) {
        self.init(schema)
        for (name, value) in environment.sorted(by: { $0.key < $1.key })
        where name.hasPrefix(schema.variablePrefix) && !Self.isServiceLink(name, value) {
            if let setting = schema.setting(ofVariable: name) {
                let texts = setting.kind == .list ? value.split(separator: ",").map(trimmed) : [value]
                take(texts, for: setting, at: name)
            } else if name != schema.fileVariable, name != Self.fastPathsVariable {
                note(.unknownVariable, "unknown variable\(suggestion(for: name, among: schema.variables))", at: name)
            }
        }
    }

    /// Returns whether Kubernetes or Docker sets this variable in every container, for a service whose name happens to start with
    /// the daemon's: TANDEM_SERVICE_HOST, TANDEM_PORT=tcp://…, TANDEM_PORT_8080_TCP_ADDR, … A service named tandem-http has the
    /// variable of a key, TANDEM_HTTP_PORT=tcp://….
    static func isServiceLink(_ name: String, _ value: String) -> Bool {
        name.hasSuffix("_SERVICE_HOST") || name.contains("_SERVICE_PORT")
            || name.contains("_PORT") && value.firstMatch(of: /^(tcp|udp|sctp):\/\//) != nil
            || name.firstMatch(of: /_PORT_[0-9]+_(TCP|UDP|SCTP)_(PROTO|PORT|ADDR)$/) != nil
    }
}

private func trimmed(_ text: Substring) -> String {
    let start = text.drop { $0 == " " }
    return String(start.reversed().drop { $0 == " " }.reversed())
}
