import TandemHTTP
import TandemTesting
import Testing

extension ServerTests {
    struct UnreadBodyTests {
        @Test(arguments: Style.allCases)
        func `a short unread body is dropped, and the connection goes on`(style: Style) async throws {
            try await withServer(routes: { $0.on(.post, "/", style) { _ in Response(text: "unread") } }) { live in
                let client = try live.connect()
                // The dropped bytes must not be parsed as a request.
                let smuggled = Array("GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
                for _ in 0..<3 {
                    try client.send(.post, "/", body: .bytes(smuggled))
                    let answer = try client.receiveResponse()
                    #expect(answer.text == "unread")
                    #expect(!answer.closes)
                }
                // The same for a body that arrives after its answer.
                try client.send(RequestBodyTests.head + "Content-Length: \(smuggled.count)\r\n\r\n")
                #expect(try client.receiveResponse().text == "unread")
                try client.send(smuggled + RequestBodyTests.announced(smuggled))
                #expect(try client.receiveResponse().text == "unread")
                #expect(try !client.hasInput(within: .milliseconds(50)))
                #expect(live.access.entries("/smuggled").isEmpty)
            }
        }

        @Test(arguments: Style.allCases)
        func `a short unread body that arrives slowly ends the connection after the linger time`(style: Style) async throws {
            try await withServer(
                { $0.lingerTimeout = .milliseconds(100) }, routes: { $0.on(.post, "/", style) { _ in Response(text: "unread") } }
            ) { live in
                let client = try live.connect()
                try client.send(RequestBodyTests.head + "Content-Length: 10000\r\n\r\n")
                #expect(try client.receiveResponse().text == "unread")
                let clock = ContinuousClock()
                let begin = clock.now
                while try live.connectionCount() > 0, clock.now < begin + .seconds(5) {
                    try? client.send("x")
                    pause(milliseconds: 10)
                }
                #expect(clock.now < begin + .seconds(2))
            }
        }

        @Test(arguments: Style.allCases)
        func `an unread chunked body up to the limit is dropped once it has arrived`(style: Style) async throws {
            try await withServer({ $0.drainLimit = 1000 }, routes: { $0.on(.post, "/", style) { _ in Response(text: "unread") } })
            { live in
                let client = try live.connect()
                for pieces in [[pattern(10)], [pattern(500), pattern(500)]] {
                    try client.send(.post, "/", body: .chunks(pieces))
                    let answer = try client.receiveResponse()
                    #expect(answer.text == "unread")
                    #expect(!answer.closes)
                }
            }
        }

        @Test(arguments: Style.allCases)
        func `a long or unfinished unread body ends the connection`(style: Style) async throws {
            try await withServer({ $0.drainLimit = 1000 }, routes: { $0.on(.post, "/", style) { _ in Response(text: "unread") } })
            { live in
                let smuggled = Array("GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
                let requests = [
                    RequestBodyTests.announced(pattern(1001)) + smuggled,
                    RequestBodyTests.chunked([pattern(600), pattern(600)]) + smuggled,
                    Array(RequestBodyTests.chunked([pattern(10)]).dropLast(5)),
                ]
                for request in requests {
                    let client = try live.connect()
                    try client.send(request)
                    let answer = try client.receiveResponse()
                    #expect(answer.text == "unread")
                    #expect(answer.closes)
                    #expect(try client.receiveUntilEnd().isEmpty)
                }
                #expect(live.logged(3).count == 3)
            }
        }

        @Test(arguments: Style.allCases)
        func `a body that proves malformed or too long while it is dropped gets no second answer`(style: Style) async throws {
            try await withServer(
                { $0.maxBodyBytes = 100 },
                routes: { router in
                    router.streaming("/", style, [Array("unread".utf8)])
                    router.on(.post, "/", style) { _ in Response(streaming: { try await $0.write(Array("unread".utf8)) }) }
                }
            ) { live in
                let chunked = RequestBodyTests.head + "Transfer-Encoding: chunked\r\n\r\n"
                for request in [
                    chunked + "NONSENSE\r\n", chunked + "ff\r\n" + String(repeating: "x", count: 255) + "\r\n0\r\n\r\n",
                ] {
                    let client = try live.connect()
                    try client.send(request)
                    #expect(try client.receiveResponse().text == "unread")
                    #expect(try client.receiveUntilEnd().isEmpty)
                }
                #expect(live.logged(2).map(\.status) == [200, 200])
            }
        }

        @Test
        func `a body that stops while it is dropped gets no second answer`() async throws {
            try await withServer(
                { $0.bodyTimeout = .milliseconds(80) }, routes: { $0.on(.post, "/", .async) { _ in Response() } }
            ) { live in
                let client = try live.connect()
                try client.send(RequestBodyTests.head + "Content-Length: 10\r\n\r\nabc")
                #expect(try client.receiveResponse().status == 200)
                #expect(try client.receiveUntilEnd().isEmpty)
            }
        }
    }
}
