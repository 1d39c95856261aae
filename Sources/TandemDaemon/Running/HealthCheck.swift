internal import Tandem
internal import TandemHTTP

/// A health check of a running service, over HTTP.
struct HealthCheck: Sendable {
    private let service: RunningService
    private let target: String

    /// The target of the check: a URL, or the path of a unix socket.
    var place: String { service.place(of: target) }

    /// Creates a check of the service that runs with this configuration on this machine. The check uses the admin listener if
    /// there is one, otherwise the first address without TLS, otherwise the first address with TLS.
    ///
    /// - Throws: `DaemonError` if the configuration has no such address, only sockets that the service inherits.
    init(of configuration: DaemonConfiguration) throws(DaemonError) {
        let addresses = configuration.adminListen.map { [$0] } ?? configuration.http.listenAddresses
        let known = addresses.filter { $0.port != nil || $0.path != nil }
        service = try RunningService(at: known.first { !$0.isTLS } ?? known.first ?? addresses[0])
        target = "/healthz"
    }

    /// Creates a check of this URL.
    init(url: String) {
        service = RunningService(origin: url)
        target = ""
    }

    /// Runs the check. Throws `DaemonError` unless the service responds with 200 within two seconds. Blocks the calling thread, which
    /// becomes a hub for that time.
    @available(*, noasync)
    func run() throws { _ = try service.get(target) }
}
