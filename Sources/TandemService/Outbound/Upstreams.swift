internal import Tandem
internal import TandemFetch
internal import TandemHTTP

/// What the handlers fetch from: the client, and the rules that each fetch is held to.
final class Upstreams: Sendable {
    /// Most URLs of one fan-out.
    static let mostTargets = 64

    /// The client of all handlers.
    let client: FetchClient
    /// What may be fetched. Known once the server listens, since that decides its own origin.
    let allowlist = Event<Allowlist>()
    private let configuration: ServiceConfiguration.Fetch

    /// Upstreams within this configuration.
    init(_ configuration: ServiceConfiguration.Fetch) {
        self.configuration = configuration
        var client = FetchConfiguration()
        client.userAgent = "tandemd/\(tandemVersion)"
        self.client = FetchClient(configuration: client)
    }

    /// Tells the port that the server listens on without TLS, if any: its own origin may be fetched, beside what the
    /// configuration allows.
    func serverListens(on port: Int?) {
        allowlist.send(
            Allowlist(
                origins: (port.map { Allowlist.ownOrigins(port: $0) } ?? []) + configuration.allow,
                privateHosts: configuration.privateHosts))
    }

    /// The fetch that `?url=U` asks for. Throws 400 or 403.
    func target(of request: Request, allowlist: Allowlist) throws(HTTPError) -> FetchRequest {
        try fetch(try Parameters(request).single("url", "a URL to fetch, percent-encoded"), allowlist)
    }

    /// The fetches that `?url=U&url=V&…` asks for. Throws 400 or 403 when any of them may not be.
    func targets(of request: Request, allowlist: Allowlist) throws(HTTPError) -> [FetchRequest] {
        let urls = try Parameters(request).several(
            "url", 1...Self.mostTargets, "1 to \(Self.mostTargets) URLs to fetch, percent-encoded")
        return try urls.map { url throws(HTTPError) in try fetch(url, allowlist) }
    }

    private func fetch(_ text: String, _ allowlist: Allowlist) throws(HTTPError) -> FetchRequest {
        let url: OutboundURL
        do throws(OutboundURLError) {
            url = try allowlist.check(text)
        } catch {
            throw HTTPError(error.code == .notAllowed ? .forbidden : .badRequest, "\(error)")
        }
        var request = FetchRequest(url: url.description)
        request.deadline = .after(configuration.timeout)
        request.maxResponseBytes = configuration.maxResponseBytes
        request.followRedirects = configuration.maxRedirects
        // The host is that of the hop: a redirect's too, once the list has passed it.
        request.addressPolicy = AddressPolicy { address, host in
            Host(host).map { allowlist.permits(address.address, for: $0) } ?? false
        }
        request.checkRedirect = { (try? allowlist.check($0)) != nil }
        return request
    }
}
