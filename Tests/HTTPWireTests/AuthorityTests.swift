import Testing

@testable import HTTPWire

@Suite("Host and port")
struct AuthorityTests {
    @Test(
        "well-formed ones are taken",
        arguments: [
            "a", "example.com", "example.com.", "EXAMPLE.com:80", "a:0", "a:65535", "a:00080", "a:", "127.0.0.1",
            "127.0.0.1:8080", "a_b-c~d",
            "%41", "a%2Fb", "a!$&'()*+,;=b", "[::]", "[::1]:80", "[1::]", "[1:2:3:4:5:6:7:8]", "[::2:3:4:5:6:7:8]",
            "[1:2:3:4:5:6:7::]",
            "[2001:db8::ff00:42:8329]", "[::ffff:192.0.2.1]", "[1:2:3:4:5:6:192.0.2.1]", "[FE80::a]:1",
        ])
    func valid(text: String) {
        #expect(isValid(text))
    }

    @Test(
        "malformed ones are refused",
        arguments: [
            "", ":", ":80", "a:b", "a:80:80", "a:65536", "a:999999", "a:-1", "a:+1", "a:8 0", "a b", "a/b", "a?b", "a#b",
            "user@a", "user:p@a",
            "a\\b", "a%", "a%4", "a%4g", "é", "a\"b", "<a>", "a|b", "[", "[]", "]", "[::1", "[::1]a", "[::1]80", "::1", "[:]",
            "[:::]", "[1:2]",
            "[1::2::3]", "[12345::]", "[1:2:3:4:5:6:7:8:9]", "[1:2:3:4:5:6:7:8::]", "[::1:2:3:4:5:6:7:8]", "[1:]", "[:1]",
            "[1:2:3:4:5:6:7:]",
            "[::g]", "[fe80::1%25eth0]", "[v1.a]", "[::1.2.3]", "[::1.2.3.4.5]", "[::1.2.3.256]", "[::01.2.3.4]", "[1.2.3.4]",
            "[::1.2.3.4:1]",
            "[1:2:3:4:5:6:7:1.2.3.4]", "[::1.2..4]", "[::1.2.3.]",
        ])
    func invalid(text: String) {
        #expect(!isValid(text))
    }

    @Test("where a port is required it has digits")
    func requiredPort() {
        #expect(isValid("a:443", portRequired: true))
        #expect(!isValid("a", portRequired: true))
        #expect(!isValid("a:", portRequired: true))
    }

    private func isValid(_ text: String, portRequired: Bool = false) -> Bool {
        Authority.isValid(text.utf8.span, portRequired: portRequired)
    }
}
