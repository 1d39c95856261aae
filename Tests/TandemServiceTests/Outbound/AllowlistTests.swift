import Tandem
import TandemFetch
import Testing

@testable import TandemService

@Suite struct AllowlistTests {
    private let list = Allowlist(
        origins: Allowlist.ownOrigins(port: 8080) + [
            Origin("https://api.example.com")!, Origin("http://db.internal:9000")!, Origin("http://10.1.2.3:80")!,
        ], privateHosts: ["db.internal"])

    @Test(arguments: [
        "http://localhost:8080/x", "http://LOCALHOST:8080", "http://127.0.0.1:8080/", "http://[::1]:8080/",
        "https://api.example.com/v1?x",
        "https://API.example.com:443/", "http://db.internal:9000/", "http://10.1.2.3/",
    ])
    func whatIsListedPasses(text: String) throws {
        _ = try list.check(text)
    }

    @Test(arguments: [
        "http://localhost/", "https://localhost:8080/", "http://localhost:8081/", "http://127.0.0.2:8080/",
        "http://[::ffff:127.0.0.1]:8080/",
        "http://api.example.com/", "https://api.example.com:8443/", "https://example.com/", "https://x.api.example.com/",
        "https://api.example.com.evil.example/", "http://169.254.169.254/latest/meta-data/", "http://[fd00:ec2::254]/",
    ])
    func everythingElseIsRefused(text: String) {
        #expect { try list.check(text) } throws: { ($0 as? OutboundURLError)?.code == .notAllowed }
    }

    @Test(arguments: [
        // A name has to resolve to a public address.
        ("api.example.com", "93.184.216.34", true), ("api.example.com", "2606:2800:220:1::1", true),
        ("api.example.com", "10.0.0.1", false), ("api.example.com", "127.0.0.1", false), ("api.example.com", "::1", false),
        ("api.example.com", "169.254.169.254", false), ("api.example.com", "fd00:ec2::254", false),
        ("api.example.com", "fe80::1", false),
        ("api.example.com", "0.0.0.0", false), ("api.example.com", "::", false), ("api.example.com", "224.0.0.1", false),
        ("api.example.com", "::ffff:10.0.0.1", false), ("api.example.com", "::ffff:127.0.0.1", false),
        ("api.example.com", "ff02::1", false),
        // A private one only where the configuration says so, and never this machine or the metadata.
        ("db.internal", "10.0.0.1", true), ("db.internal", "fc00::1", true), ("db.internal", "93.184.216.34", true),
        ("db.internal", "127.0.0.1", false), ("db.internal", "169.254.169.254", false), ("db.internal", "fd00:ec2::254", false),
        // localhost is this machine.
        ("localhost", "127.0.0.1", true), ("localhost", "127.8.8.8", true), ("localhost", "::1", true),
        ("localhost", "10.0.0.1", false),
        ("localhost", "93.184.216.34", false),
        // An address is itself.
        ("10.1.2.3", "10.1.2.3", true), ("10.1.2.3", "10.1.2.4", false), ("[::1]", "::1", true), ("[::1]", "127.0.0.1", false),
    ])
    func theAddressIsCheckedAgain(host: String, address: String, isPermitted: Bool) throws {
        #expect(list.permits(try #require(IPAddress(address)), for: try #require(Host(host))) == isPermitted)
    }
}
