import Tandem
import TandemHTTP
import TandemTesting
import Testing

extension ServerTests {
    struct KeepAliveTests {
        @Test(arguments: Style.allCases)
        func `a connection serves one request after another`(style: Style) async throws {
            try await withServer(routes: { $0.plain("/", style) }) { live in
                let client = try live.connect()
                for _ in 0..<3 {
                    try client.send(.get, "/")
                    let answer = try client.receiveResponse()
                    #expect(answer.status == 200)
                    #expect(answer.text == "ok")
                    #expect(answer[.connection] == nil)
                }
                #expect(try live.connectionCount() == 1)
            }
        }

        @Test(arguments: ["close", "Close", "keep-alive, close", "foo,close", " close ,"])
        func `Connection: close gets an answer and then the end of the connection`(connection: String) async throws {
            try await withServer(routes: { $0.plain() }) { live in
                let answer = try live.refusal(of: "GET / HTTP/1.1\r\nHost: a\r\nConnection: \(connection)\r\n\r\n")
                #expect(answer.status == 200)
            }
        }

        @Test
        func `a request behind one with Connection: close is not executed`() async throws {
            let calls = Count()
            try await withServer(routes: { router in
                router.get("/") { _ async in
                    calls.add()
                    return Response()
                }
            }) { live in
                let client = try live.connect()
                try client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(try client.receiveResponse().closes)
                #expect(try client.receiveUntilEnd().isEmpty)
                #expect(calls.value == 1)
            }
        }

        @Test
        func `an HTTP/1.0 connection ends after one answer, unless it asks for keep-alive`() async throws {
            try await withServer(routes: { $0.plain() }) { live in
                #expect(try live.refusal(of: "GET / HTTP/1.0\r\n\r\n").text == "ok")
                let client = try live.connect()
                for _ in 0..<2 {
                    try client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
                    let answer = try client.receiveResponse()
                    #expect(answer[.connection] == "keep-alive")
                    #expect(answer.text == "ok")
                }
            }
        }

        @Test(arguments: ["HTTP/1.0", "HTTP/1.1"])
        func `a client that asks for keep-alive gets the idle timeout in whole seconds, unless the connection closes`(
            version: String
        ) async throws {
            try await withServer({ $0.idleTimeout = .milliseconds(2_500) }, routes: { $0.plain() }) { live in
                let client = try live.connect()
                try client.send("GET / \(version)\r\nHost: a\r\nConnection: keep-alive\r\n\r\n")
                let kept = try client.receiveResponse()
                #expect(kept[.connection] == "keep-alive")
                #expect(kept[.keepAlive] == "timeout=2")
                try client.send("GET / \(version)\r\nHost: a\r\nConnection: keep-alive, close\r\n\r\n")
                let last = try client.receiveResponse()
                #expect(last.closes)
                #expect(last[.keepAlive] == nil)
            }
        }

        @Test(
            arguments: 1...3,
            ["HTTP/1.0", "HTTP/1.1"])
        func `the last request that a connection may carry is answered with Connection: close, and none after it`(
            most: Int, version: String
        ) async throws {
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
                for number in 1...most { #expect(try client.receiveResponse().closes == (number == most)) }
                #expect(try client.receiveUntilEnd().isEmpty)
                #expect(calls.value == most)
            }
        }

        @Test(
            arguments: Style.allCases,
            ["", "Expect: 100-continue\r\n"])
        func `an unread body in HTTP/1.0 is not parsed as requests`(style: Style, expect: String) async throws {
            try await withServer(routes: { $0.on(.post, "/", style) { _ in Response(text: "unread") } }) { live in
                let client = try live.connect()
                let smuggled = "GET /smuggled HTTP/1.0\r\n\r\n"
                for _ in 0..<2 {
                    try client.send(
                        "POST / HTTP/1.0\r\nConnection: keep-alive\r\n\(expect)Content-Length: \(smuggled.utf8.count)\r\n\r\n"
                            + smuggled)
                    let answer = try client.receiveResponse()
                    #expect(answer.text == "unread")
                    #expect(answer[.connection] == "keep-alive")
                }
                #expect(live.logged(2).count == 2)
                #expect(live.access.entries("/smuggled").isEmpty)
            }
        }

        @Test(arguments: Style.allCases)
        func `a connection goes on after a request that failed`(style: Style) async throws {
            struct Broken: Error {}
            try await withServer(routes: { router in
                router.plain("/", style)
                router.on(.get, "/throws", style) { _ in throw Broken() }
            }) { live in
                let client = try live.connect()
                for (path, status) in [("/", 200), ("/nowhere", 404), ("/", 200), ("/throws", 500), ("/", 200)] {
                    try client.send(.get, path)
                    #expect(try client.receiveResponse().status.code == status)
                }
            }
        }

        @Test
        func `a connection that exceeds the idle timeout is closed without an answer`() async throws {
            try await withServer({ $0.idleTimeout = .milliseconds(80) }, routes: { $0.plain() }) { live in
                let fresh = try live.connect()
                let used = try live.connect()
                try used.send(.get, "/")
                #expect(try used.receiveResponse().status == 200)
                #expect(try fresh.receiveUntilEnd().isEmpty)
                #expect(try used.receiveUntilEnd().isEmpty)
                #expect(live.logged(1).count == 1)
            }
        }

        @Test(arguments: Style.allCases)
        func `a request may take longer than the idle timeout, and a late request is not executed`(style: Style) async throws {
            let (event, started) = (Event<Void>(), Count())
            try await withServer(
                { $0.idleTimeout = .milliseconds(80) }, routes: { $0.waiting("/", style, for: event, started: started) }
            ) { live in
                let slow = try live.connect()
                try slow.send(.get, "/")
                #expect(eventually { started.value == 1 })
                // A later connection has exceeded the idle timeout, so the time is over for both.
                let idle = try live.connect()
                #expect(try idle.receiveUntilEnd().isEmpty)
                #expect(throws: TestClientError.self) {
                    while true { try idle.send(.get, "/") }
                }
                event.send(())
                let answer = try slow.receiveResponse()
                #expect(answer.text == "ok")
                #expect(!answer.closes)
                #expect(try slow.receiveUntilEnd().isEmpty)
                #expect(started.value == 1)
            }
        }

        @Test
        func `an empty line before a request leaves the connection idle`() async throws {
            try await withServer({ $0.idleTimeout = .milliseconds(80) }, routes: { $0.plain() }) { live in
                let client = try live.connect()
                try client.send("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n\r\n")
                #expect(try client.receiveResponse().status == 200)
                #expect(try client.receiveUntilEnd().isEmpty)
            }
        }
    }
}
