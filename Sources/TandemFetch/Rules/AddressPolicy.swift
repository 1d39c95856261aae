public import Tandem

/// Which addresses a request may go to.
///
/// Asked about the address itself, after the name was resolved: each time a connection is opened, and again before each
/// request on a connection that is open already. So it holds whatever the URL looked like (`127.1`, `0x7f000001`, a name of
/// one's own), when a name leads elsewhere the second time, and after each redirect. What it forbids ends as `refused`, and
/// no byte was sent.
public struct AddressPolicy: Sendable {
    /// nil permits all.
    private let rule: (@Sendable (SocketEndpoint, String) -> Bool)?
    /// nil permits all.
    private var allowList: AllowList?

    /// Every address: for URLs that the program itself writes. The default of a client, since most upstreams of a service
    /// stand in a private network.
    public static let any = AddressPolicy(rule: nil)

    /// Addresses of the public internet (`IPAddress.isPublic`), at these ports: for URLs that come from strangers, who must
    /// not reach this machine, its network or its cloud's metadata service. By default only the ports of http and https:
    /// other protocols that listen elsewhere can be made to understand parts of an HTTP request.
    public static func publicOnly(ports: Set<Int> = [80, 443]) -> AddressPolicy {
        AddressPolicy { endpoint, _ in endpoint.isPublic && ports.contains(Int(endpoint.port)) }
    }

    /// A policy of one's own.
    ///
    /// - Parameter permits: Gets the endpoint, with the address that a connection ends at (`SocketEndpoint.unmapped`), and the
    ///   host for which it stands, as the URL has it in lower case. Runs on the hub's own stack: it must not wait.
    public init(_ permits: @escaping @Sendable (_ endpoint: SocketEndpoint, _ host: String) -> Bool) {
        self.init(rule: permits)
    }

    private init(rule: (@Sendable (SocketEndpoint, String) -> Bool)?) { self.rule = rule }

    /// Whether the policy permits every address.
    var isAny: Bool { rule == nil && allowList == nil }

    /// Returns the policy that permits the addresses that both this policy and the list permit.
    func limited(to allowList: AllowList?) -> AddressPolicy {
        var policy = self
        policy.allowList = allowList
        return policy
    }

    /// Whether a request for `host` may go to `endpoint`.
    public func permits(_ endpoint: SocketEndpoint, for host: String) -> Bool {
        if let allowList {
            guard let host = URLHost(host), allowList.permits(endpoint, for: host) else { return false }
        }
        return rule?(endpoint.unmapped, host) ?? true
    }
}
