internal import Tandem
internal import TandemFetch
internal import TandemHTTP

/// The client that the handlers fetch with, and the fetches that requests ask for. A request keeps the rules it began with.
struct OutboundRules: Sendable {
    /// Most URLs of one fan-out.
    static let mostTargets = 64

    /// The client of all handlers. Its allow-list holds for every URL, redirect and address.
    let client: FetchClient
    private let allowList: AllowList
    private let maxRedirects: Int

    /// Creates the rules of this configuration for a server that listens on this port, whose own origin may be fetched too.
    init(_ configuration: ServiceConfiguration.Fetch, port: Int) {
        allowList = AllowList(
            origins: OutboundRules.ownOrigins(port: port) + configuration.allow, privateHosts: configuration.privateHosts,
            setting: "fetch.allow")
        var client = configuration.client
        client.userAgent = "tandemd/\(tandemVersion)"
        client.allowList = allowList
        self.client = FetchClient(configuration: client)
        maxRedirects = configuration.maxRedirects
    }

    /// The origins of a server that listens on this port, as seen from its own machine.
    private static func ownOrigins(port: Int) -> [Origin] {
        let hosts: [URLHost] = [.name("localhost"), .address(.v4(0x7F00_0001)), .address(.v6(0, 1))]
        return hosts.map { Origin(scheme: .http, host: $0, port: port) }
    }

    /// Returns the fetch that `?url=U` asks for, with the body of the request if it has one. Throws 400 or 403.
    func target(of request: Request) throws(HTTPError) -> FetchRequest {
        var target = try fetch(try Parameters(request).single("url", "a URL to fetch, percent-encoded"))
        guard request.method == .post else { return target }
        target.method = .post
        target.headers[.contentType] = request[.contentType]
        // Read from the client as fast as the upstream takes it, and no faster.
        target.body = FetchBody(request.body, contentLength: request.body.contentLength)
        return target
    }

    /// Returns the fetches that `?url=U&url=V&…` asks for. Throws 400 or 403 when the rules refuse any of them.
    func targets(of request: Request) throws(HTTPError) -> [FetchRequest] {
        let urls = try Parameters(request).several(
            "url", 1...Self.mostTargets, "1 to \(Self.mostTargets) URLs to fetch, percent-encoded")
        return try urls.map { url throws(HTTPError) in try fetch(url) }
    }

    /// The client checks every URL itself. This check comes first so that a refused URL is the fault of our client, and a redirect
    /// to one is the fault of the upstream.
    private func fetch(_ text: String) throws(HTTPError) -> FetchRequest {
        do throws(FetchError) {
            var request = FetchRequest(url: try allowList.check(text).text)
            request.followRedirects = maxRedirects
            return request
        } catch {
            throw HTTPError(error.code == .originNotAllowed ? .forbidden : .badRequest, error.message)
        }
    }
}
