import Logging
import COpenSSL
import Glibc
import Tandem
import TandemHTTP
import TandemTesting
import Testing

extension ServerTests {
    struct TLSConnectionTests {
        let directory = TemporaryDirectory()

        func withTLS(
            hubs: TestHubs = .several, _ configure: (inout HTTPServerConfiguration) -> Void = { _ in },
            routes: (Router) -> Void, _ body: @escaping @Sendable (Live) throws -> Void
        ) async throws {
            try await withServer(
                hubs: hubs,
                {
                    $0.tls = .with([TLSHandshakeTests.localhost], in: directory)
                    $0.addresses = [.tcp("127.0.0.1", port: 0, tls: true)]
                    configure(&$0)
                }, routes: routes, body)
        }

        @Test(arguments: Style.allCases)
        func `keep-alive and pipelining work over TLS`(style: Style) async throws {
            try await withTLS(routes: { $0.plain("/", style) }) { live in
                let client = try live.connectTLS()
                for _ in 0..<3 {
                    try client.send(.get, "/")
                    #expect(try client.receiveResponse().text == "ok")
                }
                try client.send(String(repeating: "GET / HTTP/1.1\r\nHost: a\r\n\r\n", count: 100))
                for _ in 0..<100 { #expect(try client.receiveResponse().text == "ok") }
            }
        }

        @Test(arguments: [0, 5])
        func `a client that updates its keys without end is disconnected, and delays no other client`(bodyBytes: Int) async throws
        {
            try await withTLS(
                hubs: .one("needs a second client on the same hub"),
                routes: { router in
                    router.plain()
                    router.collecting("/body", .async)
                }
            ) { live in
                let other = try live.connectTLS()
                let client = try live.connect()
                try client.startTLS(TestTLS())
                let end = client.tls!
                if bodyBytes > 0 { try client.send("POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: \(bodyBytes)\r\n\r\n") }
                // A usual number of updates between two requests, then a flood.
                for _ in 0..<5 { try client.sendUnsealed(end.keyUpdate()) }
                let updates = try (0..<20_000).flatMap { _ in try end.keyUpdate() }
                let flood = Task.detached { try? await onOwnThread { try client.sendUnsealed(updates) } }
                let clock = ContinuousClock()
                for _ in 0..<20 {
                    let took = try clock.measure {
                        try other.send(.get, "/")
                        #expect(try other.receiveResponse().text == "ok")
                    }
                    #expect(took < .milliseconds(100))
                }
                #expect(try eventually { try live.connectionCount() == 1 })
                _ = flood
                #expect(live.log.lines.allSatisfy { $0.level != .error })
            }
        }

        /// KeyUpdate, with the request that the server updates its keys: no (RFC 8446, 4.6.3).
        static let keyUpdate: [UInt8] = [24, 0, 0, 1, 0]

        /// Returns a TLS 1.3 client that has one answer, and the sealer for everything it sends from now on.
        func connectSealing(_ live: Live) throws -> (TestConnection, RecordSealer) {
            let client = try live.connectTLS(
                TestTLS(versions: TLS1_3_VERSION...TLS1_3_VERSION, cipherSuites: RecordSealer.suite))
            var sealer = RecordSealer(secret: try #require(client.tls?.applicationSecret))
            // The session tickets arrive with this answer at the latest.
            try client.sendUnsealed(sealer.seal("GET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8))
            #expect(try client.receiveResponse().text == "ok")
            return (client, sealer)
        }

        /// Serves `routes`, and sends `request` and all but the last byte of a KeyUpdate, so that OpenSSL sends nothing before that
        /// byte has arrived. Checks that the hub serves another client meanwhile. Then calls `body` with the client.
        private func withHalfAKeyUpdate(
            after request: String, halfCloses: Bool = false, _ configure: (inout HTTPServerConfiguration) -> Void = { _ in },
            routes: (Router) -> Void, _ body: @escaping @Sendable (Live, TestConnection, inout RecordSealer) throws -> Void
        ) async throws {
            try await withTLS(hubs: .one("needs a second client on the same hub"), configure, routes: routes) { live in
                let other = try live.connectTLS()
                var (client, sealer) = try connectSealing(live)
                try client.sendUnsealed(
                    sealer.seal(request.utf8) + sealer.seal(Self.keyUpdate.prefix(4), as: .handshake))
                if halfCloses { try client.endSending() } else { #expect(try !client.hasInput(within: .milliseconds(100))) }
                try other.send(.get, "/")
                #expect(try other.receiveResponse().text == "ok")
                try body(live, client, &sealer)
            }
        }

        @Test(arguments: Style.allCases)
        func `an answer waits while a KeyUpdate is half received`(style: Style) async throws {
            // The first byte of the next request makes the answer wait for the end of the hub's turn.
            try await withHalfAKeyUpdate(
                after: "GET / HTTP/1.1\r\nHost: a\r\n\r\nG", routes: { $0.plain("/", style) }
            ) { _, client, sealer in
                try client.sendUnsealed(sealer.seal(Self.keyUpdate.suffix(1), as: .handshake))
                sealer.updateKeys()
                #expect(try client.receiveResponse().text == "ok")
                try client.sendUnsealed(sealer.seal("ET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8))
                #expect(try client.receiveResponse().text == "ok")
            }
        }

        @Test(arguments: Style.allCases)
        func `a part of a streamed answer waits while a KeyUpdate is half received`(style: Style) async throws {
            try await withHalfAKeyUpdate(
                after: "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
                routes: { router in
                    router.plain("/", style)
                    router.echoing("/", style)
                }
            ) { _, client, sealer in
                // The handler waits for more of the body, and writes nothing that these bytes could be sent with.
                try client.sendUnsealed(sealer.seal(Self.keyUpdate.suffix(1), as: .handshake))
                sealer.updateKeys()
                #expect(try client.receiveHead().status == 200)
                #expect(try client.receiveChunk() == Array("hello".utf8))
                try client.sendUnsealed(sealer.seal("0\r\n\r\n".utf8))
                #expect(try client.receiveChunk() == nil)
            }
        }

        @Test(
            arguments: Style.allCases,
            [true, false])
        func `a client that never completes a KeyUpdate while an answer waits is disconnected`(style: Style, halfCloses: Bool)
            async throws
        {
            try await withHalfAKeyUpdate(
                after: "GET / HTTP/1.1\r\nHost: a\r\n\r\nG", halfCloses: halfCloses,
                { if !halfCloses { $0.writeTimeout = .milliseconds(200) } }, routes: { $0.plain("/", style) }
            ) { live, client, _ in
                let rest = try client.receiveUntilEnd(orReset: true)
                #expect(rest.isEmpty)
                #expect(try eventually { try live.connectionCount() == 1 })
                #expect(live.log.lines.allSatisfy { $0.level != .error })
            }
        }

        @Test(arguments: Style.allCases)
        func `a broken record in a request's body is not logged as an error`(style: Style) async throws {
            try await withTLS(routes: { $0.collecting("/", style) }) { live in
                let client = try live.connectTLS()
                try client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
                try client.sendUnsealed(Array("no TLS record".utf8))
                #expect(live.logged(1).map(\.outcome) == [.failed])
                #expect(live.logged(1).map(\.status) == [499])
                #expect(live.log.lines.allSatisfy { $0.level != .error })
            }
        }

        @Test(arguments: Style.allCases)
        func `a request may arrive with one record per byte`(style: Style) async throws {
            try await withTLS(routes: { $0.collecting("/", style) }) { live in
                let client = try live.connectTLS()
                for byte in "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello".utf8 { try client.send([byte]) }
                #expect(try client.receiveResponse().text == "hello")
            }
        }

        @Test(
            arguments: Style.allCases,
            [TLS1_2_VERSION, TLS1_3_VERSION])
        func `large bodies go both ways when the client reads only after it has sent everything`(style: Style, version: CInt)
            async throws
        {
            try await withTLS({ $0.maxBodyBytes = 1 << 30 }, routes: { $0.collecting("/", style) }) { live in
                let client = try live.connectTLS(TestTLS(versions: version...version))
                let body = pattern(8_000_000)
                try client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \(body.count)\r\n\r\n")
                try client.send(body)
                #expect(try client.receiveResponse().body == body)
            }
        }

        @Test(arguments: Style.allCases)
        func `a body can be streamed back over TLS while it is read`(style: Style) async throws {
            try await withTLS(routes: { $0.echoing("/", style) }) { live in
                let client = try live.connectTLS()
                try client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
                try client.send("5\r\nhello\r\n")
                let head = try client.receiveHead()
                #expect(head.status == 200)
                #expect(try client.receiveChunk() == Array("hello".utf8))
                for size in [1, 16_384, 16_385, 100_000] {
                    let piece = pattern(size)
                    try client.send("\(String(size, radix: 16))\r\n")
                    try client.send(piece)
                    try client.send("\r\n")
                    var back: [UInt8] = []
                    while back.count < size { back += try client.receiveChunk() ?? [] }
                    #expect(back == piece)
                }
                try client.send("0\r\n\r\n")
                #expect(try client.receiveChunk() == nil)
            }
        }

        @Test(arguments: Style.allCases)
        func `a handler waits for a client that does not read, which later gets the whole answer`(style: Style) async throws {
            let pieces = (0..<64).map { _ in pattern(65_536) }
            let done = Count()
            try await withTLS(routes: { $0.streaming("/", style, pieces, then: { done.add() }) }) { live in
                let client = try live.connect(TestConnectionOptions(receiveBuffer: 8_192))
                try client.startTLS(TestTLS())
                try client.send(.get, "/")
                pause(milliseconds: 100)
                #expect(done.value == 0)
                #expect(try client.receiveResponse().body.count == 64 * 65_536)
                #expect(done.value == 1)
            }
        }

        @Test(arguments: Style.allCases)
        func `a client that has sent close_notify is still answered`(style: Style) async throws {
            try await withTLS(routes: { $0.sleeping("/", style, milliseconds: 50) }) { live in
                let client = try live.connectTLS()
                try client.send(.get, "/")
                try client.sendUnsealed(client.tls!.closeNotify())
                try client.endSending()
                #expect(try client.receiveResponse().text == "ok")
                #expect(try client.receiveUntilEnd().isEmpty)
                #expect(client.tls?.hasEnded == true)
            }
        }

        @Test(arguments: Style.allCases)
        func `a client that ends TCP without close_notify is still answered`(style: Style) async throws {
            try await withTLS(routes: { $0.sleeping("/", style, milliseconds: 50) }) { live in
                let client = try live.connectTLS()
                try client.send(.get, "/")
                try client.endSending()
                #expect(try client.receiveResponse().text == "ok")
                #expect(try client.receiveUntilEnd().isEmpty)
            }
        }

        @Test(arguments: Style.allCases, [true, false])
        func `a truncated body is an error, with close_notify and without`(style: Style, notifies: Bool) async throws {
            for framing in ["Content-Length: 10\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"] {
                try await withTLS(routes: { $0.collecting("/", style) }) { live in
                    let client = try live.connectTLS()
                    try client.send("POST / HTTP/1.1\r\nHost: a\r\n\(framing)")
                    if notifies { try client.sendUnsealed(client.tls!.closeNotify()) }
                    try client.endSending()
                    let answer = try client.receiveResponse()
                    #expect(answer.status == 400)
                    #expect(answer.text == "the client ended the connection in the middle of the body\n")
                }
            }
        }

        @Test
        func `the server sends close_notify when idle and after its last answer`() async throws {
            try await withTLS({ $0.idleTimeout = .milliseconds(100) }, routes: { $0.plain() }) { live in
                let (idle, last) = (try live.connectTLS(), try live.connectTLS())
                try last.send(.get, "/", headers: [.connection: "close"])
                #expect(try last.receiveResponse().closes)
                for client in [idle, last] {
                    #expect(try client.receiveUntilEnd().isEmpty)
                    #expect(client.tls?.hasEnded == true)
                }
            }
        }

        @Test(arguments: Style.allCases)
        func `bytes that are not TLS end the connection`(style: Style) async throws {
            try await withTLS(routes: { router in
                router.plain("/", style)
                router.collecting("/", style)
            }) { live in
                let idle = try live.connectTLS()
                try idle.sendUnsealed(pattern(100))
                _ = try? idle.receiveUntilEnd(orReset: true)
                let reading = try live.connectTLS()
                try reading.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello")
                try reading.sendUnsealed([23, 3, 3, 0, 32] + pattern(32))
                _ = try? reading.receiveUntilEnd(orReset: true)
                #expect(try eventually { try live.connectionCount() == 0 })
            }
        }

        @Test(arguments: Style.allCases)
        func `a client that resets the connection cancels its handler`(style: Style) async throws {
            let started = Count()
            try await withTLS(routes: { $0.waiting("/", style, for: Event(), started: started) }) { live in
                let client = try live.connectTLS()
                try client.send(.get, "/")
                #expect(eventually { started.value == 1 })
                try client.close(reset: true)
                #expect(live.logged(1).map(\.outcome) == [.cancelled])
            }
        }

        @Test
        func `a client that goes away does not end the process by SIGPIPE`() async {
            await #expect(processExitsWith: .success) {
                signal(SIGPIPE, SIG_DFL)
                let pieces = (0..<64).map { _ in pattern(65_536) }
                try await TLSConnectionTests().withTLS(routes: { $0.streaming("/", .blocking, pieces) }) { live in
                    for _ in 0..<8 {
                        let client = try live.connectTLS()
                        try client.send(.get, "/")
                        _ = try client.receiveHead()
                        try client.close()
                    }
                    #expect(try eventually { try live.connectionCount() == 0 })
                }
                exit(0)
            }
        }

        @Test(arguments: Style.allCases)
        func `stop answers a request over TLS, and sends close_notify to idle clients`(style: Style) async throws {
            let (event, started) = (Event<Void>(), Count())
            try await withTLS(routes: { $0.waiting("/", style, for: event, started: started) }) { live in
                let (idle, busy) = (try live.connectTLS(), try live.connectTLS())
                try busy.send(.get, "/")
                #expect(eventually { started.value == 1 })
                #expect(try eventually { try live.connectionCount() == 2 })
                live.server.stop(grace: .seconds(20))
                #expect(try idle.receiveUntilEnd().isEmpty)
                #expect(idle.tls?.hasEnded == true)
                event.send(())
                #expect(try busy.receiveResponse().closes)
                #expect(try busy.receiveUntilEnd().isEmpty)
                for client in [idle, busy] { try client.close() }
                try live.waitUntilEnded()
            }
        }
    }
}
