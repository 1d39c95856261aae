import TandemHTTP
import TandemTesting
import Testing

extension ServerTests {
    /// Tests of small rules of RFC 9110 and 9112.
    struct ProtocolTests {
        @Test(arguments: ["h2c", "websocket", "TLS/1.2, HTTP/2.0", ""])
        func `Upgrade is ignored, and the connection goes on in HTTP/1.1`(name: String) async throws {
            try await withServer(routes: { $0.plain() }) { live in
                let client = try live.connect()
                for _ in 0..<2 {
                    try client.send(
                        """
                        GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: \(name)\r\n\
                        HTTP2-Settings: AAMAAABkAAQAAP__\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n
                        """)
                    let answer = try client.receiveResponse()
                    #expect(answer.status == 200)
                    #expect(answer[.upgrade] == nil)
                    #expect(answer.text == "ok")
                }
            }
        }

        @Test(arguments: Style.allCases)
        func `a field name with underscores does not match one with hyphens`(style: Style) async throws {
            try await withServer(routes: { router in
                router.on(.get, "/", style) { request in
                    let name = HTTPField.Name("X-Forwarded-For")!
                    return Response(
                        text: "\(request[name] ?? "none") \(request.headers[name] ?? "none") \(request.headers.count)")
                }
            }) { live in
                let hidden = try live.get("/", headers: [.init("X_Forwarded_For")!: "1.2.3.4"]).text
                #expect(hidden == "none none 2")
                let shown = try live.exchange(
                    "GET / HTTP/1.1\r\nHost: a\r\nX_Forwarded_For: 1.2.3.4\r\nX-Forwarded-For: 5.6.7.8\r\nx-forwarded-for: 9\r\n\r\n"
                ).text
                #expect(shown == "5.6.7.8, 9 5.6.7.8, 9 4")
            }
        }

        @Test(arguments: Style.allCases)
        func `the host of an absolute target overrides Host`(style: Style) async throws {
            try await withServer(routes: { router in
                router.on(.get, "/a", style) { Response(text: $0.head.authority ?? "none") }
            }) { live in
                let client = try live.connect()
                for (line, authority) in [("GET http://b:81/a", "b:81"), ("GET /a", "c"), ("GET HTTPS://[::1]/a?x", "[::1]")] {
                    try client.send("\(line) HTTP/1.1\r\nHost: c\r\n\r\n")
                    #expect(try client.receiveResponse().text == authority)
                }
            }
        }

        @Test
        func `a client that sends FIN after half a head is not answered, and leaves nothing behind`() async throws {
            try await withServer(routes: { $0.plain() }) { live in
                for start in ["", "\r\n", "GET", "GET / HTTP/1.1\r\nHost: a\r\n"] {
                    let client = try live.connect()
                    try client.send(start)
                    try client.endSending()
                    #expect(try client.receiveUntilEnd().isEmpty)
                }
                #expect(eventually { (try? live.connectionCount()) == 0 })
                #expect(live.access.entries.isEmpty)
            }
        }
    }
}
