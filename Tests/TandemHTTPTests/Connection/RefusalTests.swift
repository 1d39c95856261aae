import Tandem
import TandemHTTP
import TandemTesting
import Testing

extension ServerTests {
    struct RefusalTests {
        static func get(_ fields: String) -> String { "GET / HTTP/1.1\r\n\(fields)\r\n" }

        static let malformed: [(bytes: String, status: Int)] = [
            ("NONSENSE\r\n\r\n", 400),
            ("GET /\r\n\r\n", 400),
            ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET / HTTP/1.1\nHost: a\n\n", 400),
            ("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET /a%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET nowhere HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("\u{16}\u{3}\u{1}\u{2}\0\u{1}\0", 400),
            (get(""), 400),
            (get("Host: a\r\nHost: a\r\n"), 400),
            (get("Host: a b\r\n"), 400),
            (get("Host : a\r\n"), 400),
            (get("Host: a\r\n folded\r\n"), 400),
            (get("Host: a\r\nNoColon\r\n"), 400),
            (get("Host: a\r\nX: a\0b\r\n"), 400),
            (get("Host: a\r\n: empty\r\n"), 400),
            (get("Host: a\r\nContent-Length: 3, 3\r\n"), 400),
            (get("Host: a\r\nContent-Length: -1\r\n"), 400),
            (get("Host: a\r\nContent-Length: +3\r\n"), 400),
            (get("Host: a\r\nContent-Length: 0_3\r\n"), 400),
            (get("Host: a\r\nContent-Length:\r\n"), 400),
            (get("Host: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n"), 400),
            (get("Host: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n"), 400),
            (get("Host: a\r\nTransfer-Encoding: chunked, chunked\r\n"), 400),
            ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
            (get("Host: a\r\nTransfer-Encoding: xchunked\r\n"), 501),
            (get("Host: a\r\nTransfer-Encoding: gzip, chunked\r\n"), 501),
            (get("Host: a\r\nExpect: more\r\n"), 417),
            ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        ]

        @Test(arguments: malformed)
        func `a malformed request is answered with a message, and the connection closed`(bytes: String, status: Int) async throws
        {
            try await withServer(routes: { $0.plain() }) { live in
                let answer = try live.refusal(of: bytes)
                #expect(answer.status.code == status)
                #expect(answer[.contentType] == "text/plain; charset=utf-8")
                #expect(answer[.date] != nil)
                #expect(answer.text.count > 20 && answer.text.hasSuffix(".\n"))
                #expect(live.logged(1).map(\.status) == [status])
                #expect(live.log.lines.isEmpty)
            }
        }

        @Test
        func `the answer to a refused HEAD request has no body`() async throws {
            try await withServer({ $0.headerTimeout = .milliseconds(80) }, routes: { $0.plain() }) { live in
                for (bytes, status) in [
                    ("\r\n", 400), ("Host: a b\r\n\r\n", 400), ("Host: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
                    ("Host: a\r\nX: \(String(repeating: "x", count: 9_000))", 431),
                    ("Host: a\r\nContent-Length: 99999999\r\n\r\n", 413),
                    ("Host: a\r\n", 408),
                ] {
                    let client = try live.connect()
                    try client.send("HEAD / HTTP/1.1\r\n" + bytes)
                    let answer = try client.receiveResponse(to: .head)
                    #expect(answer.status.code == status)
                    #expect(answer[.contentLength].flatMap { Int($0) } ?? 0 > 20)
                    #expect(answer.closes)
                    #expect(try client.receiveUntilEnd().isEmpty, "\(status)")
                }
                // The request before it does not matter.
                let client = try live.connect()
                try client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\nNONSENSE\r\n\r\n")
                #expect(try client.receiveResponse(to: .head).status == 200)
                #expect(try client.receiveResponse().text.count > 20)
                #expect(try client.receiveUntilEnd().isEmpty)
            }
        }

        @Test
        func `a request behind a refused one is not executed`() async throws {
            try await withServer(routes: { $0.plain() }) { live in
                let answer = try live.refusal(
                    of: Self.get("Host: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n") + Self.get("Host: a\r\n"))
                #expect(answer.status == 400)
                #expect(live.logged(1).count == 1)
            }
        }

        @Test(arguments: [false, true])
        func `a head is refused with 414 or 431 at the first byte beyond a limit`(isComplete: Bool) async throws {
            func text(_ count: Int) -> String { String(repeating: "x", count: count) }
            func fields(_ count: Int, _ bytes: Int = 1) -> String { (0..<count).map { "X\($0): \(text(bytes))\r\n" }.joined() }
            func request(_ line: String, _ fields: String = "") -> String { "\(line) HTTP/1.1\r\nHost: a\r\n\(fields)" }
            // "GET / HTTP/1.1" has 14 bytes, "Host: a" and its end 9, "X0: " and its end 6.
            let allowed = [
                request("GET /" + text(86)), request("GET /", "X: \(text(197))\r\n"), request("GET /", fields(9)),
                request("GET /", fields(3, 157)),
            ]
            let refused = [
                (isComplete ? request("GET /" + text(87)) : "GET /" + text(96), 414),
                (request("GET /", "X: \(text(198))" + (isComplete ? "\r\n" : "")), 431),
                (request("GET /", fields(10)), 431),
                (request("GET /", fields(3, 158)), 431),
            ]
            let end = isComplete ? "\r\n" : ""
            try await withServer(
                { $0.wireLimits = HTTPWireLimits(requestLine: 100, fieldLine: 200, fieldCount: 10, headBytes: 500) },
                routes: { $0.get("/{path...}") { _ async in Response(text: "ok") } }
            ) { live in
                let client = try live.connect()
                for head in allowed {
                    try client.send(head + "\r\n")
                    #expect(try client.receiveResponse().status == 200, "\(head)")
                }
                for (head, status) in refused {
                    let answer = try live.refusal(of: head + end)
                    #expect(answer.status.code == status, "\(head)")
                }
                #expect(live.log.lines.isEmpty)
            }
        }

        @Test
        func `the default limits of a head hold to the byte, and can be raised`() async throws {
            @Sendable func text(_ count: Int) -> String { String(repeating: "x", count: count) }
            @Sendable func request(path: Int = 0, _ fields: String = "") -> String {
                "GET /\(text(path)) HTTP/1.1\r\nHost: a\r\n\(fields)\r\n"
            }
            @Sendable func fields(_ count: Int, _ bytes: Int = 1) -> String {
                (0..<count).map { "X\($0): \(text(bytes))\r\n" }.joined()
            }
            // "GET / HTTP/1.1" has 14 bytes, "Host: a" and its end 9, the end of the section 2, and "Y: " and its end 5.
            let allowed = [
                request(path: 8_192 - 14), request("X: \(text(8_189))\r\n"), request(fields(99)),
                request(fields(4, 8_000) + "Y: \(text(32_768 - 4 * 8_006 - 9 - 2 - 5))\r\n"),
            ]
            let refused = [
                (request(path: 8_193 - 14), 414), (request(path: 15_000), 414), (request("X: \(text(8_190))\r\n"), 431),
                (request("X: \(text(10_000))\r\n"), 431), (request(fields(100)), 431), (request(fields(20, 7_000)), 431),
                (request(fields(4, 8_000) + "Y: \(text(32_768 - 4 * 8_006 - 9 - 2 - 4))\r\n"), 431),
            ]
            let routes: (Router) -> Void = { $0.get("/{path...}") { _ async in Response(text: "ok") } }
            try await withServer(routes: routes) { live in
                let client = try live.connect()
                for request in allowed {
                    try client.send(request)
                    #expect(try client.receiveResponse().status == 200, "\(request.prefix(60))")
                }
                for (request, status) in refused {
                    #expect(try live.refusal(of: request).status.code == status, "\(request.prefix(60))")
                }
            }
            try await withServer(
                { $0.wireLimits = HTTPWireLimits(requestLine: 20_000, fieldLine: 20_000) }, routes: routes
            ) { live in
                let client = try live.connect()
                for request in [request(path: 15_000), request("X: \(text(10_000))\r\n")] {
                    try client.send(request)
                    #expect(try client.receiveResponse().status == 200)
                }
            }
        }

        @Test(arguments: Style.allCases)
        func `an unknown method is answered with 501, unless a route has it`(style: Style) async throws {
            try await withServer(routes: { router in
                router.plain("/", style)
                router.on(.init("PURGE")!, "/cache", style) { _ in Response(text: "purged") }
            }) { live in
                let client = try live.connect()
                for (line, status) in [
                    ("BREW /", 501), ("PURGE /cache", 200), ("PURGE /", 405), ("get /", 501),
                ] {
                    try client.send("\(line) HTTP/1.1\r\nHost: a\r\n\r\n")
                    #expect(try client.receiveResponse().status.code == status, "\(line)")
                }
            }
        }

        @Test(arguments: Style.allCases)
        func `an unknown path is answered with 404, an unknown method of a path with 405 and Allow`(style: Style) async throws {
            try await withServer(routes: { router in
                router.plain("/", style)
                router.on(.post, "/thing", style) { _ in Response() }
                router.on(.delete, "/thing", style) { _ in Response() }
            }) { live in
                let client = try live.connect()
                try client.send(.get, "/nowhere")
                let missing = try client.receiveResponse()
                #expect(missing.status == 404)
                #expect(missing.text == "nothing is at /nowhere\n")
                try client.send("POST / HTTP/1.1\r\nHost: a\r\n\r\n")
                let first = try client.receiveResponse()
                #expect(first.status == 405)
                #expect(first[.allow] == "GET, HEAD, OPTIONS")
                try client.send(.head, "/thing")
                let second = try client.receiveResponse(to: .head)
                #expect(second.status == 405)
                #expect(second[.allow] == "POST, DELETE, OPTIONS")
            }
        }

        @Test
        func `TRACE is answered with 405 and does not echo fields`() async throws {
            try await withServer(routes: { $0.plain() }) { live in
                let client = try live.connect()
                try client.send("TRACE / HTTP/1.1\r\nHost: a\r\nCookie: secret\r\nContent-Length: 3\r\n\r\nabc")
                let answer = try client.receiveResponse()
                #expect(answer.status == 405)
                #expect(answer[.allow] == "GET, HEAD, OPTIONS")
                #expect(!answer.text.contains("secret"))
                // The body, which TRACE must not have, is not parsed as a request.
                try client.send(.trace, "/nowhere")
                #expect(try client.receiveResponse().status == 404)
            }
        }

        @Test
        func `CONNECT is answered with 501, and later bytes are not parsed as requests`() async throws {
            try await withServer(routes: { $0.plain() }) { live in
                let answer = try live.refusal(of: "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n" + Self.get("Host: a\r\n"))
                #expect(answer.status == 501)
                #expect(live.logged(1).count == 1)
                for target in ["/", "a", "a:", "http://a:80/", "*"] {
                    #expect(try live.refusal(of: "CONNECT \(target) HTTP/1.1\r\nHost: a\r\n\r\n").status == 400, "\(target)")
                }
            }
        }

        @Test
        func `OPTIONS is answered for a path and for the whole server`() async throws {
            try await withServer(routes: { router in
                router.plain("/")
                router.on(.options, "/own", .async) { _ in Response(text: "mine") }
            }) { live in
                let client = try live.connect()
                try client.send(.options, "/")
                let path = try client.receiveResponse()
                #expect(path.status == 204)
                #expect(path[.allow] == "GET, HEAD, OPTIONS")
                try client.send(.options, "*")
                #expect(try client.receiveResponse().status == 204)
                try client.send(.options, "/own")
                #expect(try client.receiveResponse().text == "mine")
                try client.send(.options, "/nowhere")
                #expect(try client.receiveResponse().status == 404)
            }
        }
    }

    struct SlowClientTests {
        @Test
        func `a head that takes too long is answered with 408, however slowly it arrives`() async throws {
            try await withServer({ $0.headerTimeout = .milliseconds(150) }, routes: { $0.plain() }) { live in
                let silent = try live.connect()
                try silent.send("GET / HT")
                let trickling = try live.connect()
                let head = "GET / HTTP/1.1\r\nHost: a\r\nX: " + String(repeating: "x", count: 1000)
                var sent = 0
                // Each byte arrives well within the timeout.
                for byte in head {
                    do { try trickling.send("\(byte)") } catch { break }
                    sent += 1
                    if try trickling.hasInput(within: .milliseconds(20)) { break }
                }
                #expect(sent < head.count)
                for client in [silent, trickling] {
                    let answer = try client.receiveResponse()
                    #expect(answer.status == 408)
                    #expect(answer.closes)
                    #expect(answer.text.contains("0.15 seconds"))
                    #expect(try client.receiveUntilEnd().isEmpty)
                }
            }
        }

        @Test
        func `slow heads hold no stack and no turn of the hub, and delay no other client`() async throws {
            try await withServer(hubs: .one("counts the work of the hub"), routes: { $0.plain("/", .blocking) }) { live in
                let slow = try (0..<200).map { _ in try live.connect() }
                for client in slow { try client.send("GET / HTTP/1.1\r\nHost: a\r\nX: ") }
                #expect(try eventually { try live.connectionCount() == 200 })
                let other = try live.connect()
                for byte in "xyz" {
                    for client in slow { try client.send("\(byte)") }
                    for _ in 0..<10 {
                        try other.send(.get, "/")
                        #expect(try other.receiveResponse().text == "ok")
                    }
                }
                let statistics = try live.statistics()
                #expect(statistics.greenThreads == 0)
                // The hub turns for arriving bytes and for answers, not while it waits.
                #expect(try live.statistics().turns - statistics.turns < 10)
                #expect(live.access.entries.allSatisfy { $0.status == 200 })
                for client in slow {
                    try client.send("\r\n\r\n")
                    #expect(try client.receiveResponse().text == "ok")
                }
            }
        }

        @Test(arguments: Style.allCases)
        func `a body without progress is answered with 408`(style: Style) async throws {
            try await withServer({ $0.bodyTimeout = .milliseconds(100) }, routes: { $0.collecting("/", style) }) { live in
                for body in [
                    "Content-Length: 9\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n9\r\nabc",
                    "Content-Length: 9\r\nExpect: 100-continue\r\n\r\n",
                ] {
                    let client = try live.connect()
                    try client.send("POST / HTTP/1.1\r\nHost: a\r\n" + body)
                    var answer = try client.receiveResponse()
                    if answer.status == 100 { answer = try client.receiveResponse() }
                    #expect(answer.status == 408)
                    #expect(answer.closes)
                    #expect(try client.receiveUntilEnd().isEmpty)
                }
                #expect(live.log.lines.isEmpty)
            }
        }

        @Test(arguments: Style.allCases)
        func `a slow body with progress is read to its end`(style: Style) async throws {
            let (wanted, got) = (Count(), Count())
            // Makes the client send a byte every 300 seconds. Yields while the byte is on its way, so that the clock stands still.
            let pace: @Sendable () async throws -> Void = {
                for number in 1...10 {
                    try await sleep(for: .seconds(300))
                    wanted.add()
                    while got.value < number { try await sleep(for: .zero) }
                }
            }
            try await withServer(
                hubs: .one("its clock is virtual"),
                {
                    $0.useVirtualClock()
                    $0.bodyTimeout = .seconds(400)
                },
                routes: { router in
                    switch style {
                    case .blocking:
                        router.post("/") { request in
                            let (start, pacing) = (Hub.current!.now, Hub.current!.spawn(pace))
                            while let piece = try request.body.read() { got.add(piece.count) }
                            try awaiting { try await pacing.value }
                            return Response(text: "\(Hub.current!.now - start)")
                        }
                    case .async:
                        router.post("/") { request in
                            let (start, pacing) = (Hub.current!.now, Hub.current!.spawn(pace))
                            for try await piece in request.body { got.add(piece.count) }
                            try await pacing.value
                            return Response(text: "\(Hub.current!.now - start)")
                        }
                    }
                }
            ) { live in
                let client = try live.connect()
                try client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n")
                for number in 1...10 {
                    #expect(eventually { wanted.value == number })
                    try client.send("x")
                }
                #expect(try client.receiveResponse().text == "3000.0 seconds")
            }
        }
    }
}
