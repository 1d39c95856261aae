import Tandem
import TandemHTTP
import Testing

extension ServerTests {
    @Suite("Keep-alive")
    struct KeepAliveTests {
        @Test("a connection serves one request after the other", arguments: Style.allCases)
        func reused(style: Style) async throws {
            try await withServer(routes: { $0.plain("/", style) }) { live in
                let client = try live.connect()
                for _ in 0..<3 {
                    try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                    let answer = try client.answer()
                    #expect(answer.status == 200)
                    #expect(answer.text == "ok")
                    #expect(answer["connection"] == nil)
                }
                #expect(try live.connectionCount() == 1)
            }
        }

        @Test(
            "a client that asks for it gets its answer and the end",
            arguments: ["close", "Close", "keep-alive, close", "foo,close", " close ,"])
        func close(connection: String) async throws {
            try await withServer(routes: { $0.plain() }) { live in
                let answer = try live.refusal(of: "GET / HTTP/1.1\r\nHost: a\r\nConnection: \(connection)\r\n\r\n")
                #expect(answer.status == 200)
            }
        }

        @Test("a request behind one that closes is not executed")
        func nothingAfterClose() async throws {
            let calls = Count()
            try await withServer(routes: { router in
                router.get("/") { _ async in
                    calls.add()
                    return Response()
                }
            }) { live in
                let client = try live.connect()
                try client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(try client.answer().closes)
                #expect(try client.isAtEnd())
                #expect(calls.value == 1)
            }
        }

        @Test("HTTP/1.0 is answered once, unless it asks for more")
        func http10() async throws {
            try await withServer(routes: { $0.plain() }) { live in
                #expect(try live.refusal(of: "GET / HTTP/1.0\r\n\r\n").text == "ok")
                let client = try live.connect()
                for _ in 0..<2 {
                    try client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
                    let answer = try client.answer()
                    #expect(answer["connection"] == "keep-alive")
                    #expect(answer.text == "ok")
                }
            }
        }

        @Test(
            "a client that asks for keep-alive is told in whole seconds how long it may idle, unless it has to go",
            arguments: ["HTTP/1.0", "HTTP/1.1"])
        func announced(version: String) async throws {
            try await withServer({ $0.idleTimeout = .milliseconds(2_500) }, routes: { $0.plain() }) { live in
                let client = try live.connect()
                try client.send("GET / \(version)\r\nHost: a\r\nConnection: keep-alive\r\n\r\n")
                let kept = try client.answer()
                #expect(kept["connection"] == "keep-alive")
                #expect(kept["keep-alive"] == "timeout=2")
                try client.send("GET / \(version)\r\nHost: a\r\nConnection: keep-alive, close\r\n\r\n")
                let last = try client.answer()
                #expect(last.closes)
                #expect(last["keep-alive"] == nil)
            }
        }

        @Test(
            "the last request that a connection may carry is answered with close, and none behind it", arguments: 1...3,
            ["HTTP/1.0", "HTTP/1.1"])
        func requestsPerConnection(most: Int, version: String) async throws {
            let calls = Count()
            try await withServer(
                { $0.maxRequestsPerConnection = most },
                routes: { router in
                    router.on(.get, "/", .async) { _ in
                        calls.add()
                        return Response(text: "ok")
                    }
                }
            ) { live in
                let client = try live.connect()
                try client.send(String(repeating: "GET / \(version)\r\nHost: a\r\nConnection: keep-alive\r\n\r\n", count: 5))
                for number in 1...most { #expect(try client.answer().closes == (number == most)) }
                #expect(try client.isAtEnd())
                #expect(calls.value == most)
            }
        }

        @Test(
            "a body in HTTP/1.0 that nobody reads is not read as requests", arguments: Style.allCases,
            ["", "Expect: 100-continue\r\n"])
        func unreadBodyInHTTP10(style: Style, expect: String) async throws {
            try await withServer(routes: { $0.on(.post, "/", style) { _ in Response(text: "unread") } }) { live in
                let client = try live.connect()
                let smuggled = "GET /smuggled HTTP/1.0\r\n\r\n"
                for _ in 0..<2 {
                    try client.send(
                        "POST / HTTP/1.0\r\nConnection: keep-alive\r\n\(expect)Content-Length: \(smuggled.utf8.count)\r\n\r\n"
                            + smuggled)
                    let answer = try client.answer()
                    #expect(answer.text == "unread")
                    #expect(answer["connection"] == "keep-alive")
                }
                #expect(live.logged(2).count == 2)
                #expect(live.access.entries("/smuggled").isEmpty)
            }
        }

        @Test("an error in between does not poison the connection", arguments: Style.allCases)
        func errorInBetween(style: Style) async throws {
            struct Broken: Error {}
            try await withServer(routes: { router in
                router.plain("/", style)
                router.on(.get, "/throws", style) { _ in throw Broken() }
            }) { live in
                let client = try live.connect()
                for (path, status) in [("/", 200), ("/nowhere", 404), ("/", 200), ("/throws", 500), ("/", 200)] {
                    try client.send("GET \(path) HTTP/1.1\r\nHost: a\r\n\r\n")
                    #expect(try client.answer().status == status)
                }
            }
        }

        @Test("a client that is idle for too long is disconnected without a word")
        func idleTimeout() async throws {
            try await withServer({ $0.idleTimeout = .milliseconds(80) }, routes: { $0.plain() }) { live in
                let fresh = try live.connect()
                let used = try live.connect()
                try used.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(try used.answer().status == 200)
                #expect(try fresh.isAtEnd())
                #expect(try used.isAtEnd())
                #expect(live.logged(1).count == 1)
            }
        }

        @Test(
            "a request may take longer than a connection may idle, and what comes too late is not executed",
            arguments: Style.allCases)
        func slowerThanIdle(style: Style) async throws {
            let (event, started) = (Event<Void>(), Count())
            try await withServer(
                { $0.idleTimeout = .milliseconds(80) }, routes: { $0.waiting("/", style, for: event, started: started) }
            ) { live in
                let slow = try live.connect()
                try slow.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(eventually { started.value == 1 })
                // One that came later has been idle for too long: so the time is over for both.
                let idle = try live.connect()
                #expect(try idle.isAtEnd())
                #expect(throws: ClientError.self) {
                    while true { try idle.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n") }
                }
                event.send(())
                let answer = try slow.answer()
                #expect(answer.text == "ok")
                #expect(!answer.closes)
                #expect(try slow.isAtEnd())
                #expect(started.value == 1)
            }
        }

        @Test("an empty line before a request does not make the connection slow, only idle")
        func emptyLineIsIdle() async throws {
            try await withServer({ $0.idleTimeout = .milliseconds(80) }, routes: { $0.plain() }) { live in
                let client = try live.connect()
                try client.send("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n\r\n")
                #expect(try client.answer().status == 200)
                #expect(try client.isAtEnd())
            }
        }
    }
}
