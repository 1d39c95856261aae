internal import Synchronization
internal import Tandem
internal import TandemFetch
internal import TandemHTTP

/// The client of a service, restricted to the allow-list of the configuration. Its rules change at each reload, and once when the
/// server listens, because the daemon's own origins are always allowed.
final class Outbound: Sendable {
    let client: FetchClient
    private let userAgent: String
    private let state: Mutex<State>

    private struct State {
        var fetch: DaemonConfiguration.Fetch
        var ownPorts: [Int] = []
        var allowsLoopback = false
    }

    /// Creates the client. `userAgent` is the name and version of the service.
    init(_ fetch: DaemonConfiguration.Fetch, userAgent: String) {
        self.userAgent = userAgent
        state = Mutex(State(fetch: fetch))
        client = FetchClient()
        apply()
    }

    /// Replaces the configuration. Fetches in flight keep theirs. Any thread.
    func reload(_ fetch: DaemonConfiguration.Fetch) {
        state.withLock { $0.fetch = fetch }
        apply()
    }

    /// Allows the origins of a server at these addresses, as seen from its own machine.
    func serverListens(on addresses: [ListenAddress]) {
        state.withLock { $0.ownPorts = addresses.filter { !$0.isTLS }.compactMap(\.port) }
        apply()
    }

    /// Allows the addresses of this machine and no others if the configuration allows no origin, for tests.
    func allowLoopback() {
        state.withLock { $0.allowsLoopback = $0.fetch.allow.isEmpty }
        apply()
    }

    private func apply() {
        let state = state.withLock { $0 }
        var configuration = state.fetch.client
        configuration.userAgent = userAgent
        if state.allowsLoopback {
            configuration.addressPolicy = AddressPolicy { endpoint, _ in endpoint.address.scope == .loopback }
        } else {
            let hosts: [URLHost] = [.name("localhost"), .address(.v4(0x7F00_0001)), .address(.v6(0, 1))]
            let own = state.ownPorts.flatMap { port in hosts.map { Origin(scheme: .http, host: $0, port: port) } }
            configuration.allowList = AllowList(
                origins: own + state.fetch.allow, privateHosts: state.fetch.privateHosts, setting: "fetch.allow")
        }
        client.reload(configuration)
    }
}
