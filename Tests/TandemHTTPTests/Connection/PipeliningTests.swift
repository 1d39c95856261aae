import Tandem
import TandemHTTP
import TandemTesting
import Testing

extension ServerTests {
    struct PipeliningTests {
        static func numbered(_ router: Router, _ style: Style) {
            router.on(.get, "/{number}", style) { Response(text: $0.parameters["number"]!) }
        }

        static func requests(_ numbers: Range<Int>) -> String {
            numbers.map { "GET /\($0) HTTP/1.1\r\nHost: a\r\n\r\n" }.joined()
        }

        @Test(arguments: Style.allCases)
        func `a hundred requests in one segment are answered in order`(style: Style) async throws {
            try await withServer(routes: { Self.numbered($0, style) }) { live in
                let client = try live.connect()
                try client.send(Self.requests(0..<100))
                for number in 0..<100 { #expect(try client.receiveResponse().text == "\(number)") }
            }
        }

        @Test(arguments: Style.allCases)
        func `a request may arrive split at any byte, with the next one behind it`(style: Style) async throws {
            try await withServer(hubs: .one("waits for turns of the hub"), routes: { $0.collecting("/", style) }) { live in
                let request = Array("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n".utf8)
                let client = try live.connect()
                for split in 1..<request.count {
                    try client.send(request[..<split])
                    // The server has read the first part before the rest follows.
                    _ = try live.statistics()
                    try client.send(request[split...] + request)
                    #expect(try client.receiveResponse().text == "abc")
                    #expect(try client.receiveResponse().text == "abc")
                }
            }
        }

        @Test(arguments: Style.allCases)
        func `an answer does not wait for the slow handler behind it`(style: Style) async throws {
            let event = Event<Void>()
            try await withServer(routes: { router in
                router.plain("/", style)
                router.waiting("/slow", style, for: event)
            }) { live in
                let client = try live.connect()
                try client.send(
                    "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /slow HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(try client.receiveResponse().text == "ok")
                #expect(try !client.hasInput(within: .milliseconds(50)))
                event.send(())
                #expect(try client.receiveResponse().text == "ok")
                #expect(try client.receiveResponse().text == "ok")
            }
        }

        @Test(
            arguments: Style.allCases,
            ["\r\n", "GET / HT", "\r\nGET"])
        func `complete requests are answered when FIN follows an incomplete one or an empty line`(style: Style, last: String)
            async throws
        {
            try await withServer(routes: { router in
                router.plain("/", style)
                router.sleeping("/slow", style, milliseconds: 20)
            }) { live in
                for path in ["/", "/slow"] {
                    let client = try live.connect()
                    try client.send(String(repeating: "GET \(path) HTTP/1.1\r\nHost: a\r\n\r\n", count: 3) + last)
                    try client.endSending()
                    for _ in 0..<3 { #expect(try client.receiveResponse().text == "ok") }
                    _ = try client.receiveUntilEnd()
                }
            }
        }

        @Test(arguments: Style.allCases)
        func `requests behind a slow one are answered after it, in order`(style: Style) async throws {
            let event = Event<Void>()
            let started = Count()
            try await withServer(routes: { router in
                router.waiting("/slow", style, for: event, started: started)
                Self.numbered(router, style)
            }) { live in
                let client = try live.connect()
                try client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n" + Self.requests(0..<20))
                #expect(eventually { started.value == 1 })
                #expect(try !client.hasInput(within: .milliseconds(50)))
                event.send(())
                #expect(try client.receiveResponse().text == "ok")
                for number in 0..<20 { #expect(try client.receiveResponse().text == "\(number)") }
            }
        }

        @Test
        func `answers before a malformed request arrive before the refusal`() async throws {
            try await withServer(routes: { Self.numbered($0, .async) }) { live in
                let client = try live.connect()
                try client.send(Self.requests(0..<10) + "NONSENSE\r\n\r\n")
                for number in 0..<10 { #expect(try client.receiveResponse().text == "\(number)") }
                #expect(try client.receiveResponse().status == 400)
                #expect(try client.receiveUntilEnd().isEmpty)
            }
        }

        @Test
        func `answers reach a client that has sent FIN behind its requests`() async throws {
            try await withServer(routes: { Self.numbered($0, .async) }) { live in
                let client = try live.connect()
                try client.send(Self.requests(0..<100))
                try client.endSending()
                for number in 0..<100 { #expect(try client.receiveResponse().text == "\(number)") }
                #expect(try client.receiveUntilEnd().isEmpty)
            }
        }

        @Test(arguments: Style.allCases)
        func `backpressure limits how many requests are buffered behind a slow one`(style: Style) async throws {
            let event = Event<Void>()
            try await withServer(routes: { router in
                router.waiting("/slow", style, for: event)
                Self.numbered(router, style)
            }) { live in
                let count = 100_000
                let bytes = Array(("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n" + Self.requests(0..<count)).utf8)
                let client = try live.connect(TestConnectionOptions(sendBuffer: 64 * 1024))
                let taken = try client.sendUntilBlocked(bytes)
                #expect(taken < bytes.count)
                event.send(())
                let sending = inBackground { try client.send(bytes[taken...]) }
                #expect(try client.receiveResponse().text == "ok")
                try live.onClientHub {
                    for number in 0..<count {
                        let text = try await client.receiveResponse().text
                        try #require(text == "\(number)")
                    }
                }
                try sending.wait()
            }
        }

        @Test(arguments: Style.allCases)
        func `a client that pipelines and reads nothing gets no more answers than the buffers hold`(style: Style) async throws {
            let (calls, body) = (Count(), pattern(16 * 1024))
            try await withServer(routes: { router in
                router.on(.get, "/", style) { _ in
                    calls.add()
                    return Response(body: body)
                }
            }) { live in
                let count = 2_000
                let client = try live.connect(TestConnectionOptions(receiveBuffer: 16 * 1024))
                let sending = inBackground {
                    try client.send(String(repeating: "GET / HTTP/1.1\r\nHost: a\r\n\r\n", count: count))
                }
                // The count no longer changes: without a reader the server answers no more requests.
                #expect(
                    eventually {
                        let before = calls.value
                        pause(milliseconds: 100)
                        return before > 0 && calls.value == before
                    })
                #expect(calls.value < 1_000)
                for _ in 0..<count { try #require(try client.receiveResponse().body == body) }
                try sending.wait()
                #expect(calls.value == count)
            }
        }

        @Test(arguments: Style.allCases)
        func `parsed input is dropped, even if the next head has always begun to arrive`(style: Style) async throws {
            // An access log that keeps entries would keep each head.
            try await withServer({ $0.accessLog = nil }, routes: { $0.plain("/", style) }) { live in
                let head = Array("GET / HTTP/1.1\r\nHost: a\r\nX: \(String(repeating: "x", count: 8000))\r\n\r\n".utf8)
                let (start, end) = (head[..<20], head[20...])
                let client = try live.connect()
                try client.send(start)
                var before = 0
                for number in 0..<500 {
                    if number == 100 { before = allocatedBytes() }
                    try client.send(end + start)
                    #expect(try client.receiveResponse().text == "ok")
                }
                // The server has received 3 MB by now.
                #expect(allocatedBytes() - before < 1 << 20)
            }
        }
    }
}
