internal import Tandem
internal import TandemFetch
internal import TandemHTTP

/// What the handlers fetch with: a client, and the rules that each fetch is held to. A request keeps those it began with.
struct OutboundRules: Sendable {
    /// Most URLs of one fan-out.
    static let mostTargets = 64

    /// The client of all handlers.
    let client: FetchClient
    private let allowlist: Allowlist
    private let maxRedirects: Int

    /// The rules of this configuration, for a server that listens on this port: its own origin may be fetched too.
    init(_ configuration: ServiceConfiguration.Fetch, port: Int) {
        var client = configuration.client
        client.userAgent = "tandemd/\(tandemVersion)"
        self.client = FetchClient(configuration: client)
        allowlist = Allowlist(
            origins: Allowlist.ownOrigins(port: port) + configuration.allow, privateHosts: configuration.privateHosts)
        maxRedirects = configuration.maxRedirects
    }

    /// The fetch that `?url=U` asks for, with the body of the request, if it has one. Throws 400 or 403.
    func target(of request: Request) throws(HTTPError) -> FetchRequest {
        var target = try fetch(try Parameters(request).single("url", "a URL to fetch, percent-encoded"))
        guard request.method == .post else { return target }
        target.method = .post
        target.headers[.contentType] = request[.contentType]
        // Read from the client as fast as the upstream takes it, and no faster.
        target.body = FetchBody(request.body, contentLength: request.body.contentLength)
        return target
    }

    /// The fetches that `?url=U&url=V&…` asks for. Throws 400 or 403 when any of them may not be.
    func targets(of request: Request) throws(HTTPError) -> [FetchRequest] {
        let urls = try Parameters(request).several(
            "url", 1...Self.mostTargets, "1 to \(Self.mostTargets) URLs to fetch, percent-encoded")
        return try urls.map { url throws(HTTPError) in try fetch(url) }
    }

    private func fetch(_ text: String) throws(HTTPError) -> FetchRequest {
        let url: OutboundURL
        do throws(OutboundURLError) {
            url = try allowlist.check(text)
        } catch {
            throw HTTPError(error.code == .notAllowed ? .forbidden : .badRequest, "\(error)")
        }
        var request = FetchRequest(url: url.description)
        request.followRedirects = maxRedirects
        let allowlist = allowlist
        // The host is that of the hop: a redirect's too, once the list has passed it.
        request.addressPolicy = AddressPolicy { address, host in
            Host(host).map { allowlist.permits(address.address, for: $0) } ?? false
        }
        request.checkRedirect = { (try? allowlist.check($0)) != nil }
        return request
    }
}
