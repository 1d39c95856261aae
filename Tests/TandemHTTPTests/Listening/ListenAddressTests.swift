import TandemHTTP
import Testing

struct ListenAddressTests {
    @Test(arguments: [
        "127.0.0.1:8080", "127.0.0.1:0 tls", "[::1]:8443 tls", "[::]:80", "localhost:65535", "unix:/run/tandemd/http.sock",
        "unix:./http.sock", "unix:/run/http.sock mode=600", "unix:/a path/with spaces", "systemd:http", "systemd:https tls",
        "systemd:tandemd.socket",
    ])
    func `the text of an address parses to the same address`(text: String) throws {
        #expect(try #require(ListenAddress(text)).description == text)
    }

    @Test
    func `addresses made from text and in code are equal`() {
        #expect(ListenAddress("127.0.0.1:8080") == .tcp("127.0.0.1", port: 8080))
        #expect(ListenAddress("[::1]:8443 tls") == .tcp("::1", port: 8443, tls: true))
        #expect(ListenAddress("unix:/run/http.sock mode=0666") == .unix("/run/http.sock", mode: 0o666))
        #expect(ListenAddress("unix:/run/http.sock") == .unix("/run/http.sock"))
        #expect(ListenAddress("systemd:https tls") == .inherited("https", tls: true))
    }

    @Test(arguments: [
        "", " ", "8080", ":8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:+1",
        "127.0.0.1:8o",
        "127.0.0.1:000080", "example.com:80", "::1:80", "[::1]", "[127.0.0.1]:80", "[::1:80", "[::g]:80", "127.0.0.1:80 ssl",
        "127.0.0.1:80  tls", "127.0.0.1:80 tls tls", " 127.0.0.1:80", "unix:", "unix:http.sock", "unix:/a mode=9",
        "unix:/a mode=888", "unix:/a tls", "unix:/" + String(repeating: "a", count: 107), "unix:/a mode=600 tls",
        "unix:/a mode=7777", "unix:/a mode=+66", "systemd:",
        "systemd:a:b", "systemd:a b", "tls",
    ])
    func `text that is not an address is rejected`(text: String) {
        #expect(ListenAddress(text) == nil)
    }
}
