import Tandem
import TandemFetch
import Testing

@Suite struct FetchURLTests {
    @Test(arguments: [
        ("http://example.com", "http://example.com/"),
        ("HTTP://EXAMPLE.com:80/A", "http://example.com/A"),
        ("https://example.com:443/?q=1#frag", "https://example.com/?q=1"),
        ("https://example.com:8443?q=/@:x", "https://example.com:8443/?q=/@:x"),
        ("http://example.com:/x", "http://example.com/x"),
        ("http://example.com/a%20b/../c;d=e,f", "http://example.com/a%20b/../c;d=e,f"),
        ("http://127.0.0.1:1/", "http://127.0.0.1:1/"),
        ("http://[::1]:8080/x", "http://[::1]:8080/x"),
        ("http://[0:0:0:0:0:0:0:1]/", "http://[::1]/"),
        ("http://[2001:DB8::A]/", "http://[2001:db8::a]/"),
        ("http://my_service-1:80/", "http://my_service-1/"),
        ("http://xn--bcher-kva.example/", "http://xn--bcher-kva.example/"),
        ("http://1.2.3.4.example/", "http://1.2.3.4.example/"),
        ("http://0xample.com/", "http://0xample.com/"),
        ("http://host/?next=http://user@other/", "http://host/?next=http://user@other/"),
    ])
    func `a URL is normalized to one form`(text: String, canonical: String) throws {
        let url = try FetchURL(text)
        #expect(url.description == canonical && url.text == canonical && url.origin.description + url.target == canonical)
        #expect(try FetchURL(canonical) == url)
    }

    @Test(arguments: [
        "", "/", "example.com", "http:", "http:/example.com", "http:example.com", "//example.com", "http://", "http:///path",
        "http://:80/", "http://?q", "http://user@example.com/", "http://user:pw@example.com/", "http://@example.com/",
        "http://allowed.example@evil.example/", "http://evil.example\\@allowed.example/", "http://example.com\\.evil.example/",
        "http://exa mple.com/", " http://example.com/", "http://example.com/ ", "http://example.com/\r\nHost: x",
        "http://example.com/\t",
        "http://example.com/\u{0}", "http://example.com/é", "http://bücher.example/", "http://ⓔxample.com/",
        "http://example。com/",
        "http://example%2ecom/", "http://127.0.0.1%00.example.com/", "http://example.com./", "http://.example.com/",
        "http://a..b/",
        "http://-a.example/", "http://a-.example/", "http://\(String(repeating: "a", count: 64)).example/",
        "http://example.com:0/", "http://example.com:65536/", "http://example.com:+80/", "http://example.com:8 0/",
        "http://example.com:80:80/",
        "http://example.com:0080/", "http://example.com:http/",
        "http://2130706433/", "http://0x7f000001/", "http://0x7f.1/", "http://0177.0.0.1/", "http://017700000001/",
        "http://127.1/",
        "http://127.0.1/", "http://127.0.0.1./", "http://127.0.0.01/", "http://256.0.0.1/", "http://1.2.3.4.5/",
        "http://1.2.3.0x4/", "http://0/",
        "http://0x/", "http://example.0x1f/",
        "http://::1/", "http://[::1/", "http://::1]/", "http://[::1]x/", "http://[::1%25eth0]/", "http://[::1%eth0]/",
        "http://[127.0.0.1]/",
        "http://[]/", "http://[v1.x]/", "http://[::1]:x/", "http://exa[mple.com/", "http://example.com/%",
        "http://example.com/%4",
        "http://example.com/%zz", "http://example.com/\"", "http://example.com/<x>", "http://example.com/|",
        "http://example.com/^",
        "http://example.com/`", "http://example.com/{x}", "http://\(String(repeating: "a/", count: 4_001))",
    ])
    func `a URL that parsers could read differently is refused`(text: String) {
        let error = #expect(throws: FetchError.self) { try FetchURL(text) }
        #expect(error?.code == .badURL && error?.message.hasPrefix("the URL is refused: ") == true)
        #expect(error?.message.contains("scheme") == false)
    }

    @Test(arguments: [
        "ftp://example.com/", "file:///etc/passwd", "gopher://127.0.0.1:6379/_INFO", "javascript://x", "dict://127.0.0.1/",
        "ws://x/",
        "httpx://example.com/", "://example.com/",
    ])
    func `other schemes are refused`(text: String) {
        let error = #expect(throws: FetchError.self) { try FetchURL(text) }
        #expect(error?.code == .badURL)
        #expect(error?.message == "the URL is refused: its scheme is neither http nor https")
    }

    @Test(arguments: [
        ("http://a.example/\u{0}", "it holds the byte 0x00, which has to be percent-encoded"),
        ("http://a.example/é", "it holds the byte 0xc3, which has to be percent-encoded"),
        ("http://a.example/<", "it holds \"<\", which has to be percent-encoded"),
        ("http://me:secret@a.example/", "it holds credentials or another @ before the path"),
        ("http://127.1/", "its host \"127.1\" is neither a name nor an address in its usual form"),
        ("http://a.example:0/", "its port is not a number from 1 to 65535"),
        ("a.example", "it does not start with http:// or https://"),
    ])
    func `the error says what is wrong with the URL`(text: String, reason: String) {
        #expect { try FetchURL(text) } throws: { "\($0)" == "the URL is refused: \(reason)" }
    }

    @Test func `a URL has at most 8,000 bytes`() throws {
        let longest = "http://a.example/" + String(repeating: "x", count: FetchURL.longest - 17)
        #expect(try FetchURL(longest).text == longest)
        #expect(throws: FetchError(.badURL, "")) { try FetchURL(longest + "x") }
        let list = try AllowList(allowing: ["http://a.example"])
        #expect(try list.check(longest).text == longest)
        #expect(throws: FetchError(.badURL, "")) { try list.check(longest + "x") }
    }

    @Test func `an origin consists of scheme, host and port only`() {
        #expect(Origin("http://a.example/") == Origin(scheme: .http, host: .name("a.example"), port: 80))
        #expect(Origin("https://a.example:443")?.description == "https://a.example")
        #expect(Origin(scheme: .https, host: .name("a.example")).port == 443)
        for text in ["http://a.example/x", "http://a.example?x", "http://a.example#x", "a.example", "http://*.example"] {
            #expect(Origin(text) == nil, "\(text)")
        }
    }
}
