internal import TandemHTTP

extension Configured {
    /// The problems of values that are valid alone but contradict each other.
    var contradictions: [ConfigurationError.Problem] {
        let (http, tls) = (values.http, values.tls)
        var problems: [ConfigurationError.Problem] = []
        func refuse(_ key: String, _ message: String) {
            problems.append(.init(code: .unacceptableValue, place: places[key] ?? key, message: "\(key): \(message)"))
        }
        if !http.addresses.isEmpty {
            // The file may keep both; an operator who types an option expects it to have an effect.
            for key in ["http.host", "http.port"] where places[key] != nil && places[key] == schema[key]?.flag {
                refuse(
                    key, "has no effect, because http.listen (\(places["http.listen"] ?? "")) says where to listen: leave one out"
                )
            }
        }
        let listening = http.listenAddresses
        for (index, address) in listening.enumerated() where address.port != 0 {
            if listening[..<index].contains(where: { $0.isSamePlace(as: address) }) {
                refuse("http.listen", "names \(quoted(address.description)) twice")
            }
            if values.adminListen?.isSamePlace(as: address) == true {
                refuse("admin.listen", "\(quoted(address.description)) is also an address of the service: choose another one")
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
