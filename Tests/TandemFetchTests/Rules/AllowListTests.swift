import Tandem
import Testing

@testable import TandemFetch

@Suite struct AllowListTests {
    private static let texts = [
        "http://localhost:8080", "http://127.0.0.1:8080", "http://[::1]:8080", "https://api.example.com",
        "http://db.internal:9000",
        "http://10.1.2.3:80",
    ]
    private let list: AllowList

    init() throws { list = try AllowList(allowing: Self.texts, privateHosts: ["db.internal"]) }

    @Test(arguments: [
        "http://localhost:8080/x", "http://LOCALHOST:8080", "http://127.0.0.1:8080/", "http://[::1]:8080/",
        "https://api.example.com/v1?x",
        "https://API.example.com:443/", "http://db.internal:9000/", "http://10.1.2.3/",
    ])
    func `a URL of a listed origin is accepted`(text: String) throws {
        _ = try list.check(text)
    }

    @Test(arguments: [
        "http://localhost/", "https://localhost:8080/", "http://localhost:8081/", "http://127.0.0.2:8080/",
        "http://[::ffff:127.0.0.1]:8080/",
        "http://api.example.com/", "https://api.example.com:8443/", "https://example.com/", "https://x.api.example.com/",
        "https://api.example.com.evil.example/", "http://169.254.169.254/latest/meta-data/", "http://[fd00:ec2::254]/",
    ])
    func `a URL of any other origin is refused`(text: String) {
        let error = #expect(throws: FetchError.self) { try list.check(text) }
        #expect(error?.code == .originNotAllowed)
    }

    @Test func `the error names the origin and the setting`() {
        let error = #expect(throws: FetchError.self) { try list.check("https://EXAMPLE.com/secret?token") }
        #expect(
            error?.message
                == "the URL is refused: https://example.com is not on the allow-list (FetchConfiguration.allowList)")
        let named = AllowList(origins: [], setting: "fetch.allow")
        #expect(throws: FetchError(.originNotAllowed, "")) { try named.check("http://a.example/") }
        #expect { try named.check("http://a.example/") } throws: { "\($0)".hasSuffix("(fetch.allow)") }
    }

    @Test(arguments: ["", "api.example.com", "ftp://api.example.com", "https://api.example.com/v1", "https://*.example.com"])
    func `a malformed origin is an error that quotes it`(_ text: String) {
        let error = #expect(throws: FetchError.self) { try AllowList(allowing: ["https://a.example", text]) }
        #expect(error?.code == .badURL && error?.message.hasPrefix("\"\(text)\" is not an origin") == true)
    }

    @Test(arguments: ["", "10.0.0.1", "[::1]", "a b", "*.internal", "db.internal:9000"])
    func `a private host that is not a name is an error that quotes it`(_ text: String) {
        let error = #expect(throws: FetchError.self) { try AllowList(allowing: ["https://a.example"], privateHosts: [text]) }
        #expect(error?.code == .badURL && error?.message.hasPrefix("\"\(text)\" is not the name") == true)
    }

    @Test func `copies share one list, and equal lists are distinct`() throws {
        let copy = list
        #expect(copy.isIdentical(to: list))
        let equal = try AllowList(allowing: Self.texts, privateHosts: ["db.internal"])
        #expect(!equal.isIdentical(to: list))
    }

    @Test func `a canonical URL is passed on unchanged`() throws {
        for text in ["http://localhost:8080/async/sleep?ms=100", "https://api.example.com/", "http://[::1]:8080/%20?a=[/?]@:"] {
            let url = try list.check(text)
            #expect(url.text == text && url.origin.description + url.target == text)
        }
    }

    /// The parser agrees with every URL that the list recognizes without parsing. A failure prints the seed.
    @Test(arguments: 0..<4) func `recognizing a URL without parsing it gives the same result as parsing`(_ seed: UInt64) throws {
        var random = SplitMix(state: seed)
        // Includes origins that no URL has: an invalid name, and a port out of range.
        let impossible = [
            Origin(scheme: .http, host: .name("a.example/x"), port: 80),
            Origin(scheme: .http, host: .name("A.example"), port: 80),
            Origin(scheme: .https, host: .name("b.example"), port: 0), Origin(scheme: .http, host: .name(""), port: 80),
            Origin(scheme: .http, host: .name("user@c.example"), port: 80),
        ]
        let origins = try Self.texts.map { try #require(Origin($0)) } + impossible
        let list = AllowList(origins: origins)
        let starts = origins.map(\.description) + ["https://other.example", "HTTP://LOCALHOST:8080", "http://localhost:8080:"]
        let plain = Array("/?=&;aZ09-._~:@[]".utf8)
        let odd = Array("/?#%@:[]aZ09-._~!$&'()*+,;=\\ \"<>^`{|}\r\n\0\u{7F}é2fF".utf8)
        var passed = 0
        for _ in 0..<20_000 {
            var url = Array(starts.randomElement(using: &random)!.utf8)
            if Bool.random(using: &random) { url += "/async/sleep?ms=100&q=%2F".utf8 }
            for _ in 0..<Int.random(in: 0...6, using: &random) {
                url.append((Int.random(in: 0..<4, using: &random) > 0 ? plain : odd).randomElement(using: &random)!)
            }
            // Changes the bytes before, too.
            for _ in 0..<max(0, Int.random(in: -3...2, using: &random)) {
                let index = url.indices.randomElement(using: &random)!
                switch Int.random(in: 0..<3, using: &random) {
                case 0: url[index] = odd.randomElement(using: &random)!
                case 1: url.insert(odd.randomElement(using: &random)!, at: index)
                default: url.remove(at: index)
                }
            }
            let text = String(decoding: url, as: UTF8.self)
            let parsed = try? FetchURL(text)
            let expected = parsed.flatMap { list.permits($0.origin) ? $0 : nil }
            let checked = try? list.check(text)
            #expect(checked?.text == expected?.text && checked?.origin == expected?.origin && checked?.target == expected?.target)
            if checked != nil { passed += 1 }
        }
        // The comparison covers enough of both cases.
        #expect(passed > 2_000 && passed < 18_000)
    }

    @Test(arguments: [
        // A name must resolve to a public address.
        ("api.example.com", "93.184.216.34", true), ("api.example.com", "2606:2800:220:1::1", true),
        ("api.example.com", "10.0.0.1", false), ("api.example.com", "127.0.0.1", false), ("api.example.com", "::1", false),
        ("api.example.com", "169.254.169.254", false), ("api.example.com", "fd00:ec2::254", false),
        ("api.example.com", "fe80::1", false),
        ("api.example.com", "0.0.0.0", false), ("api.example.com", "::", false), ("api.example.com", "224.0.0.1", false),
        ("api.example.com", "::ffff:10.0.0.1", false), ("api.example.com", "::ffff:127.0.0.1", false),
        ("api.example.com", "ff02::1", false),
        // A private address only for a configured private host, and never this machine or a metadata service.
        ("db.internal", "10.0.0.1", true), ("db.internal", "fc00::1", true), ("db.internal", "93.184.216.34", true),
        ("db.internal", "127.0.0.1", false), ("db.internal", "169.254.169.254", false), ("db.internal", "fd00:ec2::254", false),
        // localhost is this machine.
        ("localhost", "127.0.0.1", true), ("localhost", "127.8.8.8", true), ("localhost", "::1", true),
        ("localhost", "10.0.0.1", false),
        ("localhost", "93.184.216.34", false),
        // An address stands for itself.
        ("10.1.2.3", "10.1.2.3", true), ("10.1.2.3", "10.1.2.4", false), ("[::1]", "::1", true), ("[::1]", "127.0.0.1", false),
    ])
    func `an address is permitted according to its host`(host: String, address: String, isPermitted: Bool) throws {
        let endpoint = SocketEndpoint(address: try #require(IPAddress(address)), port: 80)
        #expect(list.permits(endpoint, for: try #require(URLHost(host))) == isPermitted)
        #expect(AddressPolicy.any.limited(to: list).permits(endpoint, for: host) == isPermitted)
    }
}

/// A generator with a seed.
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var bits = state
        bits = (bits ^ bits >> 30) &* 0xBF58_476D_1CE4_E5B9
        bits = (bits ^ bits >> 27) &* 0x94D0_49BB_1331_11EB
        return bits ^ bits >> 31
    }
}
