import InMemoryTracing
import Tandem
import TandemHTTP
import Testing
import Tracing

extension ServerTests {
    /// A connection that stays idle gives up its task.
    @Suite("Connections at rest")
    struct RestTests {
        static let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

        @Test("an idle connection soon has no task, and serves the next request as any other", arguments: Style.allCases)
        func reused(style: Style) async throws {
            try await withServer(hubs: .one("its waits are looked at"), routes: { $0.plain("/", style) }) { live in
                let client = try live.connect()
                for _ in 0..<3 {
                    try client.send(Self.request)
                    #expect(try client.answer().text == "ok")
                    #expect(try eventually { try live.readers() == 0 })
                    #expect(try live.connectionCount() == 1)
                }
            }
        }

        @Test("one that has served a second request keeps its task for a second")
        func keepsTask() async throws {
            try await withServer(hubs: .one("its waits are looked at"), routes: { $0.plain() }) { live in
                let client = try live.connect()
                for _ in 0..<2 {
                    try client.send(Self.request)
                    #expect(try client.answer().text == "ok")
                }
                let answered = ContinuousClock.now
                #expect(try eventually { try live.readers() == 0 })
                #expect(ContinuousClock.now - answered > .milliseconds(900))
            }
        }

        @Test("one that has sent nothing yet rests too, under TLS as without", arguments: [false, true])
        func fresh(isTLS: Bool) async throws {
            let directory = TemporaryDirectory()
            try await withServer(
                hubs: .one("its waits are looked at"),
                {
                    guard isTLS else { return }
                    $0.tls = .with([TLSHandshakeTests.localhost], in: directory)
                    $0.addresses = [.tcp("127.0.0.1", port: 0, tls: true)]
                },
                routes: { $0.plain() }
            ) { live in
                let client = try isTLS ? live.connectTLS() : live.connect()
                #expect(try eventually { try live.connectionCount() == 1 && live.readers() == 0 })
                for _ in 0..<2 {
                    try client.send(Self.request)
                    #expect(try client.answer().text == "ok")
                    #expect(try eventually { try live.readers() == 0 })
                }
            }
        }

        @Test("what the caller of run has bound is there after a rest as before")
        func taskLocals() async throws {
            try await withTracer(InMemoryTracer()) {
                try await withServer(
                    hubs: .one("its waits are looked at"),
                    routes: { $0.get("/") { _ async in Response(text: "\(InstrumentationSystem.tracer is InMemoryTracer)") } }
                ) { live in
                    let client = try live.connect()
                    for _ in 0..<2 {
                        try client.send(Self.request)
                        #expect(try client.answer().text == "true")
                        #expect(try eventually { try live.readers() == 0 })
                    }
                }
            }
        }

        @Test("one whose client goes away, or resets, is noticed", arguments: [false, true])
        func clientGoes(resets: Bool) async throws {
            try await withServer(hubs: .one("its waits are looked at"), routes: { $0.plain() }) { live in
                let client = try live.connect()
                #expect(try eventually { try live.connectionCount() == 1 && live.readers() == 0 })
                if resets { client.reset() } else { client.close() }
                #expect(try eventually { try live.connectionCount() == 0 })
            }
        }

        @Test("its idle time goes on, and ends it")
        func idleTime() async throws {
            try await withServer({ $0.idleTimeout = .milliseconds(300) }, routes: { $0.plain() }) { live in
                let client = try live.connect()
                try client.send(Self.request)
                #expect(try client.answer().text == "ok")
                #expect(try client.isAtEnd())
            }
        }

        @Test("when the server is full, one at rest gives way")
        func givesWay() async throws {
            try await withServer(hubs: .one("its waits are looked at"), { $0.maxConnections = 1 }, routes: { $0.plain() }) {
                live in
                let client = try live.connect()
                #expect(try eventually { try live.connectionCount() == 1 && live.readers() == 0 })
                #expect(try live.get("/").text == "ok")
                #expect(try client.isAtEnd())
            }
        }

        @Test("a head that begins after a rest has its own time")
        func slowHead() async throws {
            try await withServer(
                hubs: .one("its waits are looked at"), { $0.headerTimeout = .milliseconds(100) }, routes: { $0.plain() }
            ) { live in
                let client = try live.connect()
                #expect(try eventually { try live.connectionCount() == 1 && live.readers() == 0 })
                try client.send("GET / HT")
                #expect(try client.answer().status == 408)
                #expect(try client.isAtEnd())
            }
        }

        @Test("stopping ends those at rest at once", arguments: [Duration.seconds(10), .zero])
        func stop(grace: Duration) async throws {
            try await withServer(hubs: .one("its waits are looked at"), routes: { $0.plain() }) { live in
                let clients = try (0..<20).map { _ in try live.connect() }
                #expect(try eventually { try live.connectionCount() == 20 && live.readers() == 0 })
                live.server.stop(grace: grace)
                try live.waitUntilEnded()
                for client in clients { #expect(try client.isAtEnd()) }
            }
        }

        @Test("cancelling the server cuts a request that has just come to one at rest")
        func cancelledAtARequest() async throws {
            let never = Event<Void>()
            try await withServer(
                hubs: .one("its waits are looked at"),
                routes: { router in
                    router.get("/") { _ in
                        try await never.wait()
                        return Response()
                    }
                }
            ) { live in
                let client = try live.connect()
                #expect(try eventually { try live.connectionCount() == 1 && live.readers() == 0 })
                // In one turn of the hub, so that it has not seen the request when it cuts.
                try live.onHub {
                    try client.send(Self.request)
                    live.cancelRun()
                }
                try live.waitUntilEnded()
                #expect(live.access.entries.allSatisfy { $0.outcome == .cancelled })
                #expect(try client.untilCut().isEmpty)
            }
        }

        @Test("cancelling the server ends those at rest")
        func cancelled() async throws {
            try await withServer(hubs: .one("its waits are looked at"), routes: { $0.plain() }) { live in
                let client = try live.connect()
                #expect(try eventually { try live.connectionCount() == 1 && live.readers() == 0 })
                live.cancelRun()
                #expect(try client.isAtEnd())
            }
        }
    }
}

extension Live {
    /// Connections that a task waits on. The listener's wait is none.
    func readers() throws -> Int {
        try onHub { Hub.current!.dump().tasks.count { $0.state.contains("descriptor readable") } } - 1
    }
}
