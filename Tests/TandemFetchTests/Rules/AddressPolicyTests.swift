import FakeResolver
import Synchronization
import Tandem
import TandemFetch
import Testing

@Suite(.serialized, .timeLimit(.minutes(1)))
struct AddressPolicyTests {
    let upstream = Upstream()
    /// A client that allows public addresses at any port, so that a refusal is due to the address.
    private let client: FetchClient

    init() {
        var configuration = FetchConfiguration()
        configuration.addressPolicy = .publicOnly(ports: [upstream.port])
        client = FetchClient(configuration: configuration)
    }

    /// Every spelling that some parser takes for this machine.
    @Test(arguments: [
        "127.0.0.1", "localhost", "LOCALHOST", "localhost.", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001",
        "127.1", "127.0.1", "127.0.0.1.", "0", "0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
        "[::127.0.0.1]", "[64:ff9b::127.0.0.1]", "[2002:7f00:1::]", "%31%32%37.0.0.1", "１２７.0.0.1", "①②⑦.⓪.⓪.①", "127。0。0。1",
        "user@127.0.0.1", "example.com@127.0.0.1", "user:password@localhost",
        // Addresses of cloud metadata services.
        "169.254.169.254", "[fd00:ec2::254]", "100.100.100.200", "[fe80::1]", "10.0.0.1", "192.168.0.1", "172.16.0.1",
        "100.64.0.1",
        "224.0.0.1", "255.255.255.255",
    ])
    func `internal addresses are refused in every spelling`(_ host: String) async throws {
        let url = "http://\(host):\(upstream.port)/fixed"
        try await onHub { _ in
            let error = try await fetchError { try await client.get(url) }
            let codes: [FetchError.Code] = [.refused, .badURL, .couldNotResolve]
            #expect(error.map { codes.contains($0.code) } == true, "\(String(describing: error))")
            let accepted = try await upstream.count("accepted")
            #expect(accepted == 1)
        }
    }

    @Test(arguments: Style.allCases) func `a name that resolves to an internal address is refused`(_ style: Style) async throws {
        fake_resolver_teach("inward.test", "127.0.0.1")
        let url = "http://inward.test:\(upstream.port)/fixed"
        try await onHub { _ in
            let error = try await fetchError { try await style.get(client, url) }
            #expect(error?.code == .refused && error?.message.hasSuffix("refuses 127.0.0.1:\(upstream.port)") == true)
        }
        #expect(fake_resolver_lookups("inward.test") == 1)
    }

    /// The first check says nothing about the second lookup.
    @Test(arguments: Style.allCases) func `a name that resolves to another address the second time is checked again`(
        _ style: Style
    )
        async throws
    {
        fake_resolver_teach("rebinds.test", "127.0.0.1 127.0.0.2")
        let asked = Mutex<[String]>([])
        var request = FetchRequest(url: "http://rebinds.test:\(upstream.port)/fixed")
        request.addressPolicy = AddressPolicy { address, host in
            asked.withLock { $0.append("\(host) \(address.address)") }
            return address.address == .v4(0x7F00_0001)
        }
        // Each fetch has its own hub, with its own cache of names.
        let text = try await onHub { [request] _ in try await style.execute(FetchClient(), request).text }
        #expect(text == "hello, tandem")
        let error = try await onHub { [request] _ in try await fetchError { try await style.execute(FetchClient(), request) } }
        #expect(error?.code == .refused && error?.message.contains("127.0.0.2") == true)
        #expect(
            asked.withLock { $0 } == ["rebinds.test 127.0.0.1", "rebinds.test 127.0.0.2"])
    }

    @Test(arguments: Style.allCases) func `each hop of a redirect is checked with its own host`(_ style: Style) async throws {
        fake_resolver_teach("first.test", "127.0.0.1")
        fake_resolver_teach("second.test", "127.0.0.1")
        var request = FetchRequest(
            url: "http://first.test:\(upstream.port)/redirect?n=302&to=http://second.test:\(upstream.port)/fixed")
        request.followRedirects = 1
        request.addressPolicy = AddressPolicy { _, host in host == "first.test" }
        let error = try await onHub { [request] _ in try await fetchError { try await style.execute(FetchClient(), request) } }
        #expect(error?.code == .refused && error?.message.hasPrefix("http://second.test") == true)
    }

    @Test func `the client's policy applies unless the request has its own`() async throws {
        var request = FetchRequest(url: upstream.url("/fixed"))
        request.addressPolicy = .any
        let text = try await onHub { [request] _ in try await client.execute(request).text }
        #expect(text == "hello, tandem")
    }

    @Test(arguments: [(80, true), (443, true), (22, false), (6379, false), (8080, false)])
    func `public addresses are allowed at the ports of http and https`(_ port: Int, _ isPermitted: Bool) {
        let address = SocketEndpoint("93.184.216.34:\(port)")!
        #expect(AddressPolicy.publicOnly().permits(address, for: "example.com") == isPermitted)
        #expect(AddressPolicy.publicOnly(ports: [8080]).permits(address, for: "example.com") == (port == 8080))
        #expect(!AddressPolicy.publicOnly(ports: [port]).permits(SocketEndpoint("10.0.0.1:\(port)")!, for: "example.com"))
    }
}
