internal import Tandem
internal import TandemFetch
internal import TandemHTTP

/// A health check of a running service, over HTTP.
struct HealthCheck: Sendable {
    /// The time limit of the check.
    private static let patience: Duration = .seconds(2)

    private enum Target {
        case url(String)
        case unix(path: String)
    }

    private let target: Target

    /// The target of the check: a URL, or the path of a unix socket.
    var place: String {
        switch target {
        case .url(let url): url
        case .unix(let path): "unix:\(path)"
        }
    }

    /// Creates a check of the service that runs with this configuration on this machine. The check uses the admin listener if
    /// there is one, otherwise the first address without TLS, otherwise the first address with TLS.
    ///
    /// - Throws: `DaemonError` if the configuration has no such address, only sockets that the service inherits.
    init(of configuration: DaemonConfiguration) throws(DaemonError) {
        let http = configuration.http
        let addresses = configuration.adminListen.map { [$0] } ?? http.listenAddresses
        let known = addresses.filter { $0.port != nil || $0.path != nil }
        guard let address = known.first(where: { !$0.isTLS }) ?? known.first else {
            throw DaemonError(
                "\(addresses[0]) is a socket that the service inherits: say where that is, as --url http://127.0.0.1:8080/healthz"
            )
        }
        if let path = address.path {
            target = .unix(path: path)
        } else {
            target = .url("\(address.isTLS ? "https" : "http")://\(Self.reachable(address.host!)):\(address.port!)/healthz")
        }
    }

    /// Creates a check of this URL.
    init(url: String) { target = .url(url) }

    /// Returns the host to connect to: the loopback address if the service listens on every address.
    private static func reachable(_ host: String) -> String {
        switch host {
        case "0.0.0.0": "127.0.0.1"
        case "::": "[::1]"
        case let host: host.contains(":") ? "[\(host)]" : host
        }
    }

    /// Runs the check. Throws `DaemonError` unless the service responds with 200 within two seconds. Certificates are not
    /// verified, because they do not name the loopback address. Blocks the calling thread, which becomes a hub for that time.
    @available(*, noasync)
    func run() throws {
        let (target, place) = (target, place)
        try Hub.run {
            let status: Int
            do {
                status =
                    switch target {
                    case .url(let url): try await Self.status(of: url)
                    case .unix(let path): try await UnixInquiry.status(of: "/healthz", at: path, .after(Self.patience))
                    }
            } catch {
                throw DaemonError("\(place) does not answer: \(error)")
            }
            guard status == 200 else {
                let hint = status == 404 ? ": if the daemon has an admin listener, this configuration must name it" : ""
                throw DaemonError("\(place) answers \(status)\(hint)")
            }
        }
    }

    private static func status(of url: String) async throws -> Int {
        var request = FetchRequest(url: url)
        request.deadline = .after(patience)
        var configuration = FetchConfiguration()
        configuration.verifiesCertificates = false
        let answer = try await FetchClient(configuration: configuration).stream(request)
        defer { answer.close() }
        return answer.status.code
    }
}
