import FakeResolver
import HTTPTypes
import Synchronization
import Tandem
import TandemFetch
import Testing

/// A client with an allow-list, in both styles.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct FetchAllowListTests {
    let upstream = Upstream()

    private func request(_ path: String, follow: Int = 1) -> FetchRequest {
        var request = FetchRequest(url: upstream.url(path))
        request.followRedirects = follow
        return request
    }

    @Test(arguments: Style.allCases) func `a URL of a listed origin is fetched`(_ style: Style) async throws {
        let client = try FetchClient(allowing: [upstream.url("")])
        let url = upstream.url("/fixed")
        let response = try await onHub { _ in try await style.get(client, url) }
        #expect(response.text == "hello, tandem" && response.url == url)
    }

    @Test(arguments: Style.allCases) func `a URL is fetched in its canonical form`(_ style: Style) async throws {
        let client = try FetchClient(allowing: [upstream.url("")])
        let url = "HTTP://127.0.0.1:\(upstream.port)?a=b#fragment"
        let response = try await onHub { _ in try await style.get(client, url) }
        #expect(response.url == upstream.url("/?a=b"))
    }

    @Test(arguments: Style.allCases) func `a URL of another origin is refused before a byte is sent`(_ style: Style) async throws
    {
        let client = try FetchClient(allowing: ["http://127.0.0.1:1", "https://127.0.0.1:\(upstream.port)"])
        let url = upstream.url("/fixed?token=secret")
        let upstream = upstream
        try await onHub { _ in
            let error = try await fetchError { try await style.get(client, url) }
            #expect(error?.code == .originNotAllowed)
            #expect(error?.message.contains("http://127.0.0.1:\(upstream.port) is not on the allow-list") == true)
            #expect(error?.message.contains("secret") == false)
            let accepted = try await upstream.count("accepted")
            #expect(accepted == 1)
        }
    }

    @Test(arguments: Style.allCases, ["127.1", "2130706433", "user@127.0.0.1", "127.0.0.1."])
    func `an unusual spelling of a listed origin is refused`(_ style: Style, _ host: String) async throws {
        let client = try FetchClient(allowing: [upstream.url("")])
        let url = "http://\(host):\(upstream.port)/fixed"
        let error = try await onHub { _ in try await fetchError { try await style.get(client, url) } }
        #expect(error?.code == .badURL)
    }

    @Test(arguments: Style.allCases) func `a redirect within the list is followed`(_ style: Style) async throws {
        let other = Upstream()
        let client = try FetchClient(allowing: [upstream.url(""), other.url("")])
        let request = request("/redirect?n=302&to=\(other.url("/fixed"))")
        let response = try await onHub { _ in try await style.execute(client, request) }
        #expect(response.text == "hello, tandem" && response.url == other.url("/fixed"))
    }

    @Test(arguments: Style.allCases) func `a redirect to an origin outside the list is refused`(_ style: Style) async throws {
        let other = Upstream()
        let client = try FetchClient(allowing: [upstream.url("")])
        var request = request("/redirect?n=302&to=\(other.url("/fixed"))")
        // The list applies whatever the request's own check returns.
        request.checkRedirect = { _ in true }
        try await onHub { [request] _ in
            let error = try await fetchError { try await style.execute(client, request) }
            #expect(error?.code == .originNotAllowed)
            #expect(error?.message.contains("after a redirect") == true)
            #expect(error?.message.contains("\(other.url("")) is not on the allow-list") == true)
            let accepted = try await other.count("accepted")
            #expect(accepted == 1)
        }
    }

    @Test(arguments: Style.allCases) func `a redirect within the list is refused when the request's check refuses it`(
        _ style: Style
    )
        async throws
    {
        let client = try FetchClient(allowing: [upstream.url("")])
        var request = request("/redirect?n=302&to=/fixed")
        request.checkRedirect = { _ in false }
        let error = try await onHub { [request] _ in try await fetchError { try await style.execute(client, request) } }
        #expect(error?.code == .refused)
    }

    @Test(arguments: Style.allCases) func `a listed name that resolves to this machine is refused`(_ style: Style) async throws {
        fake_resolver_teach("listed.test", "127.0.0.1")
        let client = try FetchClient(allowing: ["http://listed.test:\(upstream.port)"], privateHosts: ["listed.test"])
        let url = "http://listed.test:\(upstream.port)/fixed"
        let upstream = upstream
        try await onHub { _ in
            let error = try await fetchError { try await style.get(client, url) }
            #expect(error?.code == .refused && error?.message.contains("127.0.0.1:\(upstream.port)") == true)
            let accepted = try await upstream.count("accepted")
            #expect(accepted == 1)
        }
    }

    @Test(arguments: Style.allCases) func `an open connection does not bypass the list`(_ style: Style)
        async throws
    {
        fake_resolver_teach("open.test", "127.0.0.1")
        let client = try FetchClient(allowing: ["http://open.test:\(upstream.port)"])
        let url = "http://open.test:\(upstream.port)/fixed"
        try await onHub { _ in
            let text = try await style.get(FetchClient(), url).text
            #expect(text == "hello, tandem")
            let error = try await fetchError { try await style.get(client, url) }
            #expect(error?.code == .refused)
        }
    }

    @Test(arguments: Style.allCases) func `localhost may resolve to the loopback address`(_ style: Style) async throws {
        let client = try FetchClient(allowing: ["http://localhost:\(upstream.port)"])
        let url = "http://localhost:\(upstream.port)/fixed"
        let text = try await onHub { _ in try await style.get(client, url).text }
        #expect(text == "hello, tandem")
    }

    /// The policy sees only addresses that the list permits, and refuses them, so that nothing leaves this machine.
    @Test(arguments: Style.allCases) func `only a private host may resolve to a private address`(_ style: Style)
        async throws
    {
        fake_resolver_teach("private.test", "10.255.255.1")
        let url = "http://private.test:9/"
        let permitted = Mutex<[String]>([])
        var configuration = FetchConfiguration()
        configuration.addressPolicy = AddressPolicy { endpoint, host in
            permitted.withLock { $0.append("\(host) \(endpoint)") }
            return false
        }
        let open = try FetchClient(allowing: [url], privateHosts: ["private.test"], configuration: configuration)
        let closed = try FetchClient(allowing: [url], configuration: configuration)
        try await onHub { _ in
            for client in [closed, open] {
                let error = try await fetchError { try await style.get(client, url) }
                #expect(error?.code == .refused && error?.message.contains("10.255.255.1:9") == true)
                #expect(permitted.withLock { $0 } == (client === open ? ["private.test 10.255.255.1:9"] : []))
            }
        }
    }

    @Test(arguments: Style.allCases) func `the address policies of client and request apply in addition to the list`(
        _ style: Style
    )
        async throws
    {
        var configuration = FetchConfiguration()
        configuration.addressPolicy = AddressPolicy { _, _ in false }
        let client = try FetchClient(allowing: [upstream.url("")], configuration: configuration)
        let plain = request("/fixed")
        var own = plain
        own.addressPolicy = .any
        try await onHub { [own] _ in
            let error = try await fetchError { try await style.execute(client, plain) }
            #expect(error?.code == .refused)
            let text = try await style.execute(client, own).text
            #expect(text == "hello, tandem")
        }
        // A request's policy does not widen the list.
        fake_resolver_teach("wide.test", "127.0.0.1")
        let wide = try FetchClient(allowing: ["http://wide.test:\(upstream.port)"])
        var request = FetchRequest(url: "http://wide.test:\(upstream.port)/fixed")
        request.addressPolicy = .any
        let error = try await onHub { [request] _ in try await fetchError { try await style.execute(wide, request) } }
        #expect(error?.code == .refused)
    }

    @Test func `creating a client with a malformed origin throws`() {
        let error = #expect(throws: FetchError.self) { try FetchClient(allowing: ["api.example.com"]) }
        #expect(error?.code == .badURL && error?.message.contains("\"api.example.com\" is not an origin") == true)
    }

    @Test func `an empty list allows nothing`() async throws {
        let client = try FetchClient(allowing: [])
        let url = upstream.url("/fixed")
        let error = try await onHub { _ in try await fetchError { try await client.get(url) } }
        #expect(error?.code == .originNotAllowed)
    }
}
