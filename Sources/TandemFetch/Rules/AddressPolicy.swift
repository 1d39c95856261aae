public import Tandem

/// A rule for the addresses that a request may go to.
///
/// The client applies the rule to the resolved address when it opens a connection, and again before each request on a connection
/// that is open. So the rule holds for every spelling of an address (`127.1`, `0x7f000001`), for a name that resolves to another address the second
/// time, and after each redirect. A request to an address that the policy does not permit ends as `refused`, and no byte is sent.
public struct AddressPolicy: Sendable {
    /// nil permits all.
    private let rule: (@Sendable (SocketEndpoint, String) -> Bool)?
    /// nil permits all.
    private var allowList: AllowList?

    /// Permits every address: for URLs that the program itself writes. The default of a client, since most upstreams of a service
    /// are in a private network.
    public static let any = AddressPolicy(rule: nil)

    /// Permits addresses of the public internet (`IPAddress.isPublic`) at these ports: for URLs from clients, which must not reach
    /// this machine, its network or its cloud's metadata service. The default ports are those of http and https, because servers
    /// of other protocols can be made to understand parts of an HTTP request.
    public static func publicOnly(ports: Set<Int> = [80, 443]) -> AddressPolicy {
        AddressPolicy { endpoint, _ in endpoint.isPublic && ports.contains(Int(endpoint.port)) }
    }

    /// Creates a policy from a closure.
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
