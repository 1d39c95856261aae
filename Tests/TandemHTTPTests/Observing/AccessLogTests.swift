import Tandem
import TandemHTTP
import TandemTesting
import Testing

extension ServerTests {
    struct AccessLogTests {
        @Test(arguments: Style.allCases)
        func `an entry names the route, the style, the status and the outcome of its request`(style: Style) async throws {
            struct Broken: Error {}
            try await withServer(
                hubs: .one("checks the number of the hub"),
                { $0.maxBodyBytes = 100 },
                routes: { router in
                    router.plain("/plain", style)
                    router.on(.get, "/users/{id}", style) { _ in throw Broken() }
                    router.streaming("/stream", style, [pattern(5), pattern(6)])
                    router.streaming("/cut", style, [pattern(5)], then: { throw Broken() })
                    router.sleeping("/slow", style, milliseconds: 50)
                }
            ) { live in
                func check(
                    _ request: String, status: Int, route: String?, method: HTTPRequest.Method? = .get, target: String?,
                    style: AccessLogEntry.Style, outcome: AccessLogEntry.Outcome = .completed, atLeast: Duration = .zero,
                    sourceLocation: SourceLocation = #_sourceLocation
                ) throws {
                    let count = live.access.entries.count
                    let client = try live.connect()
                    try client.send(request)
                    try client.endSending()
                    let bytes = try client.receiveUntilEnd(orReset: true)
                    try client.close()
                    let entries = live.logged(count + 1)
                    #expect(entries.count == count + 1, sourceLocation: sourceLocation)
                    let entry = try #require(entries.last)
                    #expect(entry.method == method, sourceLocation: sourceLocation)
                    #expect(entry.target == target, sourceLocation: sourceLocation)
                    #expect(entry.route == route, sourceLocation: sourceLocation)
                    #expect(entry.style == style, sourceLocation: sourceLocation)
                    #expect(entry.status == status, sourceLocation: sourceLocation)
                    #expect(entry.outcome == outcome, sourceLocation: sourceLocation)
                    #expect(entry.hub == 0, sourceLocation: sourceLocation)
                    #expect(entry.bytes == bytes.count, sourceLocation: sourceLocation)
                    #expect(entry.duration >= atLeast && entry.duration < .seconds(10), sourceLocation: sourceLocation)
                    #expect(entry.remoteAddress.hasPrefix("127.0.0.1:"), sourceLocation: sourceLocation)
                }
                let logged = style.logged
                try check(
                    "GET /plain?q=1 HTTP/1.1\r\nHost: a\r\n\r\n", status: 200, route: "/plain", target: "/plain?q=1",
                    style: logged)
                try check(
                    "HEAD /plain HTTP/1.1\r\nHost: a\r\n\r\n", status: 200, route: "/plain", method: .head, target: "/plain",
                    style: logged)
                try check(
                    "GET /users/7 HTTP/1.1\r\nHost: a\r\n\r\n", status: 500, route: "/users/{id}", target: "/users/7",
                    style: logged)
                try check(
                    "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n", status: 200, route: "/stream", target: "/stream", style: .async)
                try check(
                    "GET /cut HTTP/1.1\r\nHost: a\r\n\r\n", status: 200, route: "/cut", target: "/cut", style: .async,
                    outcome: .failed)
                try check(
                    "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n", status: 200, route: "/slow", target: "/slow", style: logged,
                    atLeast: .milliseconds(50))
                try check("GET /x HTTP/1.1\r\nHost: a\r\n\r\n", status: 404, route: nil, target: "/x", style: .none)
                try check(
                    "PUT /plain HTTP/1.1\r\nHost: a\r\n\r\n", status: 405, route: nil, method: .put, target: "/plain",
                    style: .none)
                try check(
                    "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", status: 204, route: nil, method: .options, target: "*", style: .none)
                try check(
                    "BREW / HTTP/1.1\r\nHost: a\r\n\r\n", status: 501, route: nil, method: .init("BREW"), target: "/",
                    style: .none)
                try check(
                    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 999\r\n\r\n", status: 413, route: nil, method: .post,
                    target: "/", style: .none)
                try check("NONSENSE\r\n\r\n", status: 400, route: nil, method: nil, target: nil, style: .none)
            }
        }

        @Test(arguments: Style.allCases)
        func `an answer that the client does not take in full is logged as failed`(style: Style) async throws {
            try await withServer(
                { $0.writeTimeout = .milliseconds(100) },
                routes: { router in
                    router.on(.get, "/", style) { _ in Response(body: [UInt8](repeating: 7, count: 32 << 20)) }
                }
            ) { live in
                let client = try live.connect(TestConnectionOptions(receiveBuffer: 16 * 1024))
                try client.send(.get, "/")
                #expect(live.logged(1).map(\.outcome) == [.failed])
            }
        }

        @Test
        func `the logged peer is the connected one, whatever X-Forwarded-For says`() async throws {
            try await withServer(routes: { $0.get("/") { request async in Response(text: request.remoteAddress) } }) { live in
                let answer = try live.get(
                    "/", headers: [.init("X-Forwarded-For")!: "192.0.2.1", .init("Forwarded")!: "for=192.0.2.1"])
                #expect(answer.text.hasPrefix("127.0.0.1:"))
                #expect(live.logged(1).map(\.remoteAddress) == [answer.text])
            }
        }

        @Test(arguments: Style.allCases)
        func `the logged style is that of the handler, whatever the style of its middleware`(style: Style) async throws {
            try await withServer(
                routes: { router in
                    router.use { request, next async throws in try await next(request) }
                    router.use { request, next throws in try next(request) }
                    router.plain("/", style)
                }
            ) { live in
                _ = try live.get("/")
                #expect(live.logged(1).map(\.style) == [style.logged])
            }
        }

        @Test
        func `a connection without a request is not logged`() async throws {
            try await withServer(routes: { $0.plain() }) { live in
                try live.connect().close()
                try live.connect().close(reset: true)
                let half = try live.connect()
                try half.send("GET / HT")
                try half.endSending()
                #expect(try half.receiveUntilEnd().isEmpty)
                #expect(try eventually { try live.connectionCount() == 0 })
                #expect(live.access.entries.isEmpty)
                #expect(live.log.lines.isEmpty)
            }
        }
    }
}
