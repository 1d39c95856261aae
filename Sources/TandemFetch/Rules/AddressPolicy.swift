public import Tandem

/// A rule for the addresses to which a request may go.
///
/// The client applies the rule to the resolved address when it opens a connection, and again before each request on an open
/// connection. So the rule holds for every spelling of an address (`127.1`, `0x7f000001`), for a name that resolves to another
/// address the second time, and after each redirect. A request to an address that the policy does not permit fails with
/// `refused`, and no byte is sent.
public struct AddressPolicy: Sendable {
    /// The closure; nil permits every address.
    private let rule: (@Sendable (SocketEndpoint, String) -> Bool)?
    /// The allow-list that must permit an address too; nil permits every address.
    private var allowList: AllowList?

    /// The policy that permits every address, for URLs that the program itself writes. It is the default of a client, because
    /// most upstreams of a service are in a private network.
    public static let any = AddressPolicy(rule: nil)

    /// Returns a policy that permits addresses of the public internet (`IPAddress.isPublic`) at these ports. It is for URLs
    /// from clients, which must not reach this machine, its network or its cloud's metadata service. The default ports are
    /// those of http and https, because servers for other protocols can be tricked into executing parts of an HTTP request.
    public static func publicOnly(ports: Set<Int> = [80, 443]) -> AddressPolicy {
        AddressPolicy { endpoint, _ in endpoint.isPublic && ports.contains(Int(endpoint.port)) }
    }

    /// Creates a policy from a closure.
    ///
    /// - Parameter permits: Returns whether a request may go to an endpoint. It gets the endpoint with its real address
    ///   (`SocketEndpoint.unmapped`), and the host of the URL in lower case. It runs on the hub's own stack and must not wait.
    public init(_ permits: @escaping @Sendable (_ endpoint: SocketEndpoint, _ host: String) -> Bool) {
        self.init(rule: permits)
    }

    private init(rule: (@Sendable (SocketEndpoint, String) -> Bool)?) { self.rule = rule }

    /// Whether the policy permits every address.
    var isAny: Bool { rule == nil && allowList == nil }

    /// Returns a policy that permits the addresses that both this policy and the list permit.
    package func limited(to allowList: AllowList?) -> AddressPolicy {
        var policy = self
        policy.allowList = allowList
        return policy
    }

    /// Returns whether a request for `host` may go to `endpoint`.
    public func permits(_ endpoint: SocketEndpoint, for host: String) -> Bool {
        if let allowList {
            guard let host = URLHost(host), allowList.permits(endpoint, for: host) else { return false }
        }
        return rule?(endpoint.unmapped, host) ?? true
    }
}
