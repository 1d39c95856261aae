internal import Tandem
internal import TandemFetch
internal import TandemHTTP

/// Asks a running service whether it is well.
public struct HealthCheck: Sendable {
    /// What is fetched.
    public let url: String

    /// A check of the service that runs with this configuration on this machine.
    public init(of configuration: ServiceConfiguration) {
        let admin = configuration.adminListen
        // Over TLS the certificate would not be made out to this machine's own address.
        let plain = configuration.http.addresses.first { $0.host != nil && !$0.isTLS }
        let host =
            switch admin?.host ?? plain?.host ?? configuration.http.host {
            case "0.0.0.0": "127.0.0.1"
            case "::": "::1"
            case let host: host
            }
        url = Service.url(host, admin?.port ?? plain?.port ?? configuration.http.port) + "/healthz"
    }

    /// A check of this URL.
    public init(url: String) { self.url = url }

    /// Throws `ServiceError` unless the answer is 200, within two seconds. Blocks the calling thread, which becomes a hub
    /// meanwhile.
    @available(*, noasync)
    public func run() throws {
        let url = url
        try Hub.run {
            var request = FetchRequest(url: url)
            request.deadline = .after(.seconds(2))
            let status: HTTPResponse.Status
            do {
                let answer = try await FetchClient().stream(request)
                defer { answer.close() }
                status = answer.status
            } catch {
                throw ServiceError(.unhealthy, "\(url) does not answer: \(error)")
            }
            guard status == .ok else { throw ServiceError(.unhealthy, "\(url) answers \(status.code)") }
        }
    }
}
