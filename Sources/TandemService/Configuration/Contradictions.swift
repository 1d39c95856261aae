internal import TandemHTTP

extension ConfigurationLoader.Loaded {
    /// What each source may say by itself, and all of them together may not.
    var contradictions: [ConfigurationError.Problem] {
        let http = configuration.http
        let tls = configuration.tls
        var problems: [ConfigurationError.Problem] = []
        func refuse(_ key: String, _ message: String) {
            problems.append(.init(code: .unacceptableValue, place: places[key] ?? key, message: "\(key): \(message)"))
        }
        if !http.addresses.isEmpty {
            // The file may keep its own; who types an option expects it to count.
            for key in ["http.host", "http.port"] where places[key] == Setting.named(key)?.flag {
                refuse(
                    key, "has no effect, because http.listen (\(places["http.listen"] ?? "")) says where to listen: leave one out"
                )
            }
        }
        if let address = http.addresses.first(where: \.isTLS), tls.certificates.isEmpty {
            refuse("http.listen", "\(quoted(address.description)) asks for TLS, and tls.certificates names none")
        }
        if tls.clientCertificates != .none, tls.clientAuthorities == nil {
            refuse(
                "tls.client-certificates",
                "\(quoted(tls.clientCertificates.rawValue)) needs tls.client-ca, to check the certificates by")
        }
        return problems
    }
}
