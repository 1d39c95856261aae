internal import Synchronization
internal import Tandem
internal import TandemFetch

/// The outbound rules in force. They are there once the server listens, since that decides which origin is its own, and may be
/// replaced while it runs.
final class Upstreams: Sendable {
    private let configuration: Mutex<ServiceConfiguration.Fetch>
    private let inForce = Mutex<OutboundRules?>(nil)
    private let port = Event<Int>()

    /// Upstreams within this configuration.
    init(_ configuration: ServiceConfiguration.Fetch) { self.configuration = Mutex(configuration) }

    /// Tells the port that the server listens on: its own origin may be fetched, beside what the configuration allows.
    func serverListens(on port: Int) {
        self.port.send(port)
        settle(port)
    }

    /// Replaces the configuration. Fetches under way go on as they began. Any thread.
    func reload(_ configuration: ServiceConfiguration.Fetch) {
        self.configuration.withLock { $0 = configuration }
        if let port = try? port.outcome?.get() { settle(port) }
    }

    private func settle(_ port: Int) {
        let rules = OutboundRules(configuration.withLock { $0 }, port: port)
        inForce.withLock { $0 = rules }
    }

    /// The rules in force; waits until the server listens.
    func rules() async throws -> OutboundRules {
        while true {
            if let rules = inForce.withLock({ $0 }) { return rules }
            settle(try await port.wait())
        }
    }

    /// The rules in force; parks the green thread until the server listens.
    @available(*, noasync)
    func rules() throws -> OutboundRules {
        while true {
            if let rules = inForce.withLock({ $0 }) { return rules }
            settle(try port.wait())
        }
    }
}
