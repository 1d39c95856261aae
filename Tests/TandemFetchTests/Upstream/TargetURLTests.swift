import Testing

@testable import TandemFetch

/// URLs are read in one pass if all parsers read them in the same way, and otherwise by libcurl.
@Suite(.timeLimit(.minutes(1)))
struct TargetURLTests {
    private func parts(_ url: TargetURL) -> [String] {
        var target: [UInt8] = []
        url.appendTarget(to: &target)
        return [
            "\(url.isSecure)", url.host, "\(url.port)", url.target, String(decoding: target, as: UTF8.self), "\(url.origin)",
            url.redacted, url.basicCredentials ?? "",
        ]
    }

    @Test(arguments: [
        "http://example.com", "http://example.com/", "https://a-b.example:8443/x/y?q=1&r=%20#", "http://127.0.0.1:80/a",
        "http://1.2.3.4", "http://127.1/", "http://0x7f.1/", "http://01.2.3.4/", "http://256.1.1.1/", "http://a.1/",
        "http://1a.b1/",
        "http://a..b/", "http://.a/", "http://a./", "http://[::1]:81/x", "http://me:secret@host/p?q", "http://HOST/Path",
        "http://h:0/", "http://h:00080/", "http://h:65536/", "http://h:/", "http://h/?", "http://h?q", "http://h#f",
        "http://h/./a/../b",
        "http://h/a/.hidden", "http://h/..", "http://h/a b", "http://h/ä", "http://bücher.example/", "HTTP://h/", "http:///x",
        "http://h/\"", "http://h/[x]", "http://h/a|b", "http://h/{x}", "http://h\\x/", "http://h/a//b", "http://-h/",
        "http://h-/",
        "http://a_b/", "http://h/~x;p=1,2!$&'()*+=:@", "http://h:80x/", "http://h/\u{7f}",
    ])
    func `a URL read in one pass is read in the same way by libcurl`(_ text: String) {
        guard let usual = TargetURL(usual: text) else { return }
        let strict = try? TargetURL(strictly: text)
        #expect(strict.map(parts) == parts(usual), "\(text)")
    }

    /// libcurl accepts every URL that the single pass accepts, with the same parts.
    @Test func `generated and mutated URLs are read in the same way`() throws {
        var random = Seeded(state: 11)
        let hosts = ["example.com", "localhost", "127.0.0.1", "10.0.255.1", "a-b.c1.example", "x", "1.2.3", "a.b.c.4", "[::1]"]
        let paths = ["", "/", "/a/b.c?d=e&f=%2F", "/.x", "/a/../b", "/%zz", "/a;b=c,d!$&'()*+", "?x", "/x#y", "//", "/a:b@c"]
        var accepted = 0
        for _ in 0..<20_000 {
            let scheme = random.below(4) == 0 ? "https" : "http"
            let port = random.below(3) == 0 ? ":\(random.below(70_000))" : ""
            var bytes = Array("\(scheme)://\(hosts[random.below(hosts.count)])\(port)\(paths[random.below(paths.count)])".utf8)
            for _ in 0..<random.below(3) { bytes[random.below(bytes.count)] = UInt8(1 + random.below(127)) }
            let text = String(decoding: bytes, as: UTF8.self)
            guard let usual = TargetURL(usual: text) else { continue }
            accepted += 1
            let strict = try? TargetURL(strictly: text)
            #expect(strict.map(parts) == parts(usual), "\(text.debugDescription)")
        }
        #expect(accepted > 3000)
    }

    @Test(arguments: [
        ("http://example.com", "Basic", nil), ("http://me:secret@example.com/", "Basic", "bWU6c2VjcmV0"),
        ("http://a%40b:@example.com/", "Basic", "YUBiOg=="), ("http://:pw@example.com/", "Basic", "OnB3"),
    ])
    func `user name and password in a URL become Basic credentials`(_ text: String, _: String, _ expected: String?) throws {
        #expect(try TargetURL(text).basicCredentials == expected)
    }

    @Test func `a host in a non-ASCII script must be written in ASCII`() throws {
        let error = #expect(throws: FetchError.self) { try TargetURL("http://bücher.example/") }
        #expect(error?.code == .badURL && error?.message.contains("xn--") == true)
        #expect(try TargetURL("http://xn--bcher-kva.example/").host == "xn--bcher-kva.example")
    }

    @Test(arguments: [
        ("http://h/a/b", "c", "http://h/a/c"), ("http://h/a/b", "/c", "http://h/c"), ("http://h/a?b", "?c", "http://h/a?c"),
        ("https://h/a", "//x/y", "https://x/y"), ("http://h/a", "https://x:1/", "https://x:1/"),
    ])
    func `a reference is resolved against the URL of its response`(_ base: String, _ reference: String, _ expected: String)
        throws
    {
        #expect(try TargetURL(base).resolving(reference) == expected)
    }
}

private struct Seeded {
    var state: UInt64

    mutating func below(_ limit: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int((state >> 33) % UInt64(limit))
    }
}
