internal import Glibc
public import Tandem

/// The origins from which a client may fetch, and the addresses to which their names may resolve.
///
/// A service that fetches URLs on behalf of its clients exposes its own network to them (server-side request forgery). With an
/// allow-list it refuses everything that is not listed. It checks the origin of the URL, then the address of the connection,
/// and both again for each redirect.
///
///     let client = try FetchClient(allowing: ["https://api.example.com", "http://db.internal:9000"], privateHosts: ["db.internal"])
///
/// The client parses URLs strictly (`FetchURL`), and fetches them in their canonical form. Copies share the list, so a copy
/// costs only a retain.
public struct AllowList: Sendable {
    private let list: List

    /// Creates a list of origins.
    ///
    /// - Parameters:
    ///   - origins: The origins to allow. An empty list allows none.
    ///   - privateHosts: The names among them that may resolve to private addresses (`AddressScope.privateNetwork`).
    ///   - setting: The name of the setting that holds the list, for error messages.
    public init(origins: [Origin], privateHosts: [String] = [], setting: String = "FetchConfiguration.allowList") {
        list = List(origins: origins, privateHosts: privateHosts.map { $0.lowercased() }, setting: setting)
    }

    /// Creates a list from the texts of origins, such as `https://api.example.com:8443`.
    ///
    /// - Parameters:
    ///   - origins: The origins to allow, each with a scheme, a host, and a port if it is not the default one.
    ///   - privateHosts: The names among their hosts that may resolve to private addresses.
    /// - Throws: `FetchError` `badURL`, which names the text that is not an origin or not a name.
    public init(allowing origins: [String], privateHosts: [String] = []) throws(FetchError) {
        var parsed: [Origin] = []
        for text in origins {
            guard let origin = Origin(text) else {
                throw FetchError(
                    .badURL, "\"\(text.prefix(60))\" is not an origin: expected text such as https://api.example.com:8443")
            }
            parsed.append(origin)
        }
        for text in privateHosts {
            guard case .name? = URLHost(text) else {
                throw FetchError(.badURL, "\"\(text.prefix(60))\" is not the name of a host")
            }
        }
        self.init(origins: parsed, privateHosts: privateHosts)
    }

    /// Returns whether this origin is on the list.
    public func permits(_ origin: Origin) -> Bool { list.origins.contains(origin) }

    /// Returns whether a request to a listed origin with this host may go to `endpoint`.
    ///
    /// - A literal address permits only itself.
    /// - `localhost` permits the loopback addresses.
    /// - Any other name permits only public addresses, so that the owner of its DNS zone cannot direct the client to the
    ///   internal network. A name among the private hosts also permits private addresses, but no loopback and no link-local
    ///   ones.
    public func permits(_ endpoint: SocketEndpoint, for host: URLHost) -> Bool {
        switch host {
        case .address(let allowed): endpoint.address.unmapped == allowed.unmapped
        case .name("localhost"): endpoint.address.scope == .loopback
        case .name(let name):
            switch endpoint.address.scope {
            case .global: true
            case .privateNetwork: list.privateHosts.contains(name)
            case .loopback, .forbidden: false
            }
        }
    }

    /// Parses a URL, checks its origin, and returns it in canonical form.
    ///
    /// - Throws: `FetchError`: `badURL` for a text that `FetchURL` refuses, `originNotAllowed` for an origin that is not on the
    ///   list.
    public func check(_ url: String) throws(FetchError) -> FetchURL {
        if let url = list.recognize(url) { return url }
        let url = try FetchURL(url)
        guard permits(url.origin) else {
            throw FetchError(
                .originNotAllowed, "the URL is refused: \(url.origin) is not on the allow-list (\(list.setting))")
        }
        return url
    }

    /// Returns whether both values share one list, so that a decision of one holds for the other.
    func isIdentical(to other: AllowList) -> Bool { list === other.list }

    private final class List: Sendable {
        let origins: Set<Origin>
        let privateHosts: Set<String>
        let setting: String
        private let recognized: [(text: [UInt8], origin: Origin)]

        init(origins: [Origin], privateHosts: [String], setting: String) {
            self.origins = Set(origins)
            self.privateHosts = Set(privateHosts)
            self.setting = setting
            // A program can create an origin that no text parses to. No URL has such an origin.
            recognized = self.origins.filter { Origin($0.description) == $0 }.map { (Array($0.description.utf8), $0) }
        }

        /// Returns the same result as the strict parser for a canonical URL that begins with the canonical text of a listed
        /// origin, without creating a string. Returns nil for any other URL, also if it is allowed.
        func recognize(_ text: String) -> FetchURL? {
            text.utf8.withContiguousStorageIfAvailable { bytes in recognize(bytes, text) } ?? nil
        }

        private func recognize(_ bytes: UnsafeBufferPointer<UInt8>, _ text: String) -> FetchURL? {
            // The first possible offset of the slash: after "http://" and one byte of a host.
            let earliest = 8
            guard bytes.count > earliest, bytes.count <= FetchURL.longest,
                let slash = memchr(bytes.baseAddress! + earliest, CInt(UInt8(ascii: "/")), bytes.count - earliest)
            else { return nil }
            let end = UnsafeRawPointer(slash) - UnsafeRawPointer(bytes.baseAddress!)
            for index in recognized.indices
            where recognized[index].text.count == end && memcmp(recognized[index].text, bytes.baseAddress!, end) == 0 {
                guard URLBytes.areCanonicalTarget(bytes, from: end) else { return nil }
                return FetchURL(canonical: text, recognized[index].origin, targetStart: end)
            }
            return nil
        }
    }
}

extension FetchConfiguration {
    /// Returns the URL to fetch for the URL of a request: its canonical form if there is an allow-list, otherwise the text
    /// itself. Throws `badURL` or `originNotAllowed`.
    func canonicalTarget(of url: String) throws(FetchError) -> String {
        guard let allowList else { return url }
        return try allowList.check(url).text
    }

    /// Returns the URL to fetch for the target of a redirect, as `canonicalTarget(of:)` does.
    ///
    /// - Parameter origin: The origin that redirects, for error messages.
    func canonicalTarget(ofRedirect url: String, from origin: String) throws(FetchError) -> String {
        do throws(FetchError) {
            return try canonicalTarget(of: url)
        } catch {
            throw FetchError(error.code, "\(origin): after a redirect, \(error.message)")
        }
    }

    /// Returns the policy for the addresses of a request. The allow-list must permit an address, and so must the policy of the
    /// request or, if it has none, that of the client.
    func addressPolicy(for request: FetchRequest) -> AddressPolicy {
        (request.addressPolicy ?? addressPolicy).limited(to: allowList)
    }
}
