import Tandem
import TandemHTTP
import TandemTesting
import Testing

extension ServerTests {
    struct LingeringCloseTests {
        static let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

        @Test(arguments: [100_000, 8 << 20])
        func `a refusal reaches a client that first sends its whole body, without a reset`(size: Int) async throws {
            try await withServer({ $0.maxBodyBytes = 1000 }, routes: { $0.collecting("/", .async) }) { live in
                let client = try live.connect(TestConnectionOptions(receiveBuffer: 4096))
                try client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \(size)\r\n\r\n")
                try client.send(pattern(size))
                let answer = try client.receiveResponse()
                #expect(answer.status == 413)
                #expect(answer.closes)
                #expect(try client.receiveUntilEnd().isEmpty)
            }
        }

        @Test(arguments: ["GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "GET / HTTP/1.0\r\n\r\n", "NONSENSE\r\n\r\n"])
        func `the last answer reaches a client that sends more than the server reads, without a reset`(request: String)
            async throws
        {
            try await withServer(routes: { router in
                router.on(.get, "/", .async) { _ in Response(body: pattern(50_000)) }
            }) { live in
                let client = try live.connect(TestConnectionOptions(receiveBuffer: 4096))
                try client.send(request)
                for _ in 0..<200 { try client.send(String(repeating: Self.get, count: 500)) }
                let answer = try client.receiveResponse()
                #expect(answer.status == 400 || answer.body == pattern(50_000))
                #expect(try client.receiveUntilEnd().isEmpty)
                #expect(live.logged(1).count == 1)
            }
        }

        @Test
        func `a client that never stops sending is disconnected after the linger time, and starves no other client`() async throws
        {
            try await withServer({ $0.lingerTimeout = .milliseconds(300) }, routes: { $0.plain() }) { live in
                let client = try live.connect()
                let sending = inBackground {
                    try client.send("NONSENSE\r\n\r\n")
                    while true { try client.send(pattern(1 << 20)) }
                }
                let other = try live.connect()
                for _ in 0..<20 {
                    try other.send(.get, "/")
                    #expect(try other.receiveResponse().text == "ok")
                }
                try other.close()
                #expect(throws: TestClientError.self) { try sending.wait() }
                #expect(eventually { (try? live.connectionCount()) == 0 })
            }
        }

        @Test
        func `a client that neither sends nor closes is disconnected after the linger time`() async throws {
            try await withServer({ $0.lingerTimeout = .milliseconds(50) }, routes: { $0.plain() }) { live in
                let client = try live.connect()
                try client.send("GET / HTTP/1.0\r\n\r\n")
                #expect(try client.receiveResponse().text == "ok")
                #expect(eventually { (try? live.connectionCount()) == 0 })
            }
        }

        @Test
        func `a client that sends slowly is disconnected after the linger time`() async throws {
            try await withServer({ $0.lingerTimeout = .milliseconds(100) }, routes: { $0.plain() }) { live in
                let client = try live.connect()
                try client.send("GET / HTTP/1.0\r\n\r\n")
                #expect(throws: TestClientError.self) {
                    // Each byte arrives well within the second that a silent client gets.
                    for _ in 0..<1000 {
                        try client.send("x")
                        pause(milliseconds: 5)
                    }
                }
            }
        }

        @Test
        func `an unread body and an early FIN do not cost the client its answer`() async throws {
            try await withServer(
                {
                    $0.halfCloseGrace = .milliseconds(20)
                    $0.drainLimit = 1000
                },
                routes: { router in
                    router.post("/") { _ async in
                        await Task { try? await Task.sleep(for: .milliseconds(200)) }.value
                        return Response(text: "\(Task.isCancelled)")
                    }
                }
            ) { live in
                let client = try live.connect()
                try client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n")
                try client.send(pattern(20_000))
                try client.endSending()
                #expect(try client.receiveResponse().text == "true")
                // A reset instead of FIN would throw.
                #expect(try client.receiveUntilEnd().isEmpty)
            }
        }

        @Test
        func `cancelling the server does not wait for lingering connections`() async throws {
            try await withServer({ $0.lingerTimeout = .seconds(50) }, routes: { $0.plain() }) { live in
                let client = try live.connect()
                try client.send("GET / HTTP/1.0\r\n\r\n")
                #expect(try client.receiveResponse().text == "ok")
                let sending = inBackground { while true { try client.send(pattern(1 << 16)) } }
                live.cancelRun()
                try? live.waitUntilEnded()
                #expect(throws: TestClientError.self) { try sending.wait() }
            }
        }
    }
}
