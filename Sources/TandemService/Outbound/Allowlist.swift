public import Tandem

/// What outbound fetches may reach.
///
/// A fetch on behalf of a client is a way into the network that the service stands in, so that everything is refused that
/// has not been allowed: first the URL's origin, then the address that its name resolves to, and both again for each redirect.
public struct Allowlist: Sendable {
    private let origins: Set<Origin>
    private let privateHosts: Set<String>

    /// A list of these origins. `privateHosts` names those among them that may resolve to private addresses.
    public init(origins: [Origin], privateHosts: [String] = []) {
        self.origins = Set(origins)
        self.privateHosts = Set(privateHosts)
    }

    /// The origins of a server that listens on this port, as seen from its own machine.
    public static func ownOrigins(port: Int) -> [Origin] {
        let hosts: [Host] = [.name("localhost"), .address(.v4(0x7F00_0001)), .address(.v6(0, 1))]
        return hosts.map { Origin(scheme: .http, host: $0, port: port) }
    }

    /// The URL that a text names, if it may be fetched; throws why not.
    public func check(_ text: String) throws(OutboundURLError) -> OutboundURL {
        let url = try OutboundURL(text)
        guard origins.contains(url.origin) else {
            throw OutboundURLError(.notAllowed, "\(url.origin) is not on the allow-list (fetch.allow)")
        }
        return url
    }

    /// Whether a connection to `address` may serve a URL of this host, which `check` has passed.
    ///
    /// An address that is allowed literally is that address and no other. `localhost` is this machine. Every other name has to
    /// resolve to a public address, so that whoever controls its DNS cannot point it inward, or to a private one where the
    /// configuration says so.
    public func permits(_ address: IPAddress, for host: Host) -> Bool {
        switch host {
        case .address(let allowed): address.unmapped == allowed.unmapped
        case .name("localhost"): address.scope == .loopback
        case .name(let name):
            switch address.scope {
            case .global: true
            case .privateNetwork: privateHosts.contains(name)
            case .loopback, .forbidden: false
            }
        }
    }
}
