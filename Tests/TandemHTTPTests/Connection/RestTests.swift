import Glibc
import InMemoryTracing
import Tandem
import TandemHTTP
import TandemTesting
import Testing
import Tracing

extension ServerTests {
    /// Tests of resting connections: an idle connection gives up its task.
    struct RestTests {
        @Test(arguments: Style.allCases)
        func `an idle connection gives up its task, and serves the next request as usual`(style: Style) async throws {
            try await withServer(hubs: .one("inspects the waits of the hub"), routes: { $0.plain("/", style) }) { live in
                let client = try live.connect()
                for _ in 0..<3 {
                    try client.send(.get, "/")
                    #expect(try client.receiveResponse().text == "ok")
                    #expect(try eventually { try live.readers() == 0 })
                    #expect(try live.connectionCount() == 1)
                }
            }
        }

        @Test
        func `a connection that has served a second request keeps its task for one second`() async throws {
            try await withServer(hubs: .one("inspects the waits of the hub"), routes: { $0.plain() }) { live in
                let client = try live.connect()
                for _ in 0..<2 {
                    try client.send(.get, "/")
                    #expect(try client.receiveResponse().text == "ok")
                }
                let answered = ContinuousClock.now
                #expect(try eventually { try live.readers() == 0 })
                #expect(ContinuousClock.now - answered > .milliseconds(900))
            }
        }

        @Test(arguments: [false, true])
        func `a connection without a request rests too, with TLS and without`(isTLS: Bool) async throws {
            let directory = TemporaryDirectory()
            try await withServer(
                hubs: .one("inspects the waits of the hub"),
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
                    try client.send(.get, "/")
                    #expect(try client.receiveResponse().text == "ok")
                    #expect(try eventually { try live.readers() == 0 })
                }
            }
        }

        @Test
        func `task-locals of the caller of run are bound after a rest too`() async throws {
            try await withTracer(InMemoryTracer()) {
                try await withServer(
                    hubs: .one("inspects the waits of the hub"),
                    routes: { $0.get("/") { _ async in Response(text: "\(InstrumentationSystem.tracer is InMemoryTracer)") } }
                ) { live in
                    let client = try live.connect()
                    for _ in 0..<2 {
                        try client.send(.get, "/")
                        #expect(try client.receiveResponse().text == "true")
                        #expect(try eventually { try live.readers() == 0 })
                    }
                }
            }
        }

        @Test(arguments: [false, true])
        func `a resting connection notices that its client closes or resets`(resets: Bool) async throws {
            try await withServer(hubs: .one("inspects the waits of the hub"), routes: { $0.plain() }) { live in
                let client = try live.connect()
                #expect(try eventually { try live.connectionCount() == 1 && live.readers() == 0 })
                if resets { try client.close(reset: true) } else { try client.close() }
                #expect(try eventually { try live.connectionCount() == 0 })
            }
        }

        @Test
        func `the idle timeout ends a resting connection`() async throws {
            try await withServer({ $0.idleTimeout = .milliseconds(300) }, routes: { $0.plain() }) { live in
                let client = try live.connect()
                try client.send(.get, "/")
                #expect(try client.receiveResponse().text == "ok")
                #expect(try client.receiveUntilEnd().isEmpty)
            }
        }

        @Test
        func `a full server closes a resting connection`() async throws {
            try await withServer(hubs: .one("inspects the waits of the hub"), { $0.maxConnections = 1 }, routes: { $0.plain() }) {
                live in
                let client = try live.connect()
                #expect(try eventually { try live.connectionCount() == 1 && live.readers() == 0 })
                #expect(try live.get("/").text == "ok")
                #expect(try client.receiveUntilEnd().isEmpty)
            }
        }

        @Test
        func `a head that begins after a rest has its own timeout`() async throws {
            try await withServer(
                hubs: .one("inspects the waits of the hub"), { $0.headerTimeout = .milliseconds(100) }, routes: { $0.plain() }
            ) { live in
                let client = try live.connect()
                #expect(try eventually { try live.connectionCount() == 1 && live.readers() == 0 })
                try client.send("GET / HT")
                #expect(try client.receiveResponse().status == 408)
                #expect(try client.receiveUntilEnd().isEmpty)
            }
        }

        @Test(arguments: [Duration.seconds(10), .zero])
        func `stop ends resting connections at once`(grace: Duration) async throws {
            try await withServer(hubs: .one("inspects the waits of the hub"), routes: { $0.plain() }) { live in
                let clients = try (0..<20).map { _ in try live.connect() }
                #expect(try eventually { try live.connectionCount() == 20 && live.readers() == 0 })
                live.server.stop(grace: grace)
                try live.waitUntilEnded()
                for client in clients { #expect(try client.receiveUntilEnd().isEmpty) }
            }
        }

        @Test
        func `cancelling the server cuts a request that has just reached a resting connection`() async throws {
            let never = Event<Void>()
            try await withServer(
                hubs: .one("inspects the waits of the hub"),
                routes: { router in
                    router.get("/") { _ in
                        try await never.wait()
                        return Response()
                    }
                }
            ) { live in
                let client = try live.connect()
                #expect(try eventually { try live.connectionCount() == 1 && live.readers() == 0 })
                // In one turn of the hub, so that the hub has not seen the request when it is cancelled.
                try live.onHub {
                    let request = Array("GET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
                    #expect(write(client.fileDescriptor, request, request.count) == request.count)
                    live.cancelRun()
                }
                try live.waitUntilEnded()
                #expect(live.access.entries.allSatisfy { $0.outcome == .cancelled })
                #expect(try client.receiveUntilEnd(orReset: true).isEmpty)
            }
        }

        @Test
        func `cancelling the server ends resting connections`() async throws {
            try await withServer(hubs: .one("inspects the waits of the hub"), routes: { $0.plain() }) { live in
                let client = try live.connect()
                #expect(try eventually { try live.connectionCount() == 1 && live.readers() == 0 })
                live.cancelRun()
                #expect(try client.receiveUntilEnd().isEmpty)
            }
        }
    }
}

extension Live {
    /// Returns how many connections have a waiting task. The listener has none.
    func readers() throws -> Int {
        try onHub { Hub.current!.dump().tasks.count { $0.state.contains("descriptor readable") } } - 1
    }
}
