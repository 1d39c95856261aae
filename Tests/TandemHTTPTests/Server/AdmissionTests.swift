import Glibc
import Tandem
import TandemTesting
import Testing

@testable import TandemHTTP

extension ServerTests {
    struct AdmissionTests {
        /// Returns an idle connection that has had one request.
        private static func idle(_ live: Live) throws -> TestConnection {
            let client = try live.connect()
            try client.send(.get, "/")
            #expect(try client.receiveResponse().status == 200)
            return client
        }

        /// Returns a connection whose request waits in its handler.
        private static func busy(_ live: Live, _ path: String = "/wait") throws -> TestConnection {
            let client = try live.connect()
            try client.send(.get, path)
            return client
        }

        @Test
        func `a server full of requests answers 503 with Retry-After, and serves again when one request ends`() async throws {
            let (event, started) = (Event<Void>(), Count())
            try await withServer(
                hubs: .one("a new connection replaces an idle one of the same hub"), { $0.maxConnections = 3 },
                routes: { $0.waiting("/wait", .async, for: event, started: started) }
            ) { live in
                let clients = try (0..<3).map { _ in try Self.busy(live) }
                #expect(eventually { started.value == 3 })
                for _ in 0..<2 {
                    let answer = try live.refusal(of: "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
                    #expect(answer.status == 503)
                    #expect(answer[.retryAfter] == "1")
                }
                event.send(())
                for client in clients { #expect(try client.receiveResponse().text == "ok") }
                #expect(try live.get("/wait").text == "ok")
                #expect(live.log.entries("connections refused").first?.metadata["reason"] == "the server is full")
            }
        }

        @Test
        func `a process with few descriptors accepts fewer connections, and keeps as many for its handlers`() async {
            await #expect(processExitsWith: .success) {
                var limit = rlimit()
                getrlimit(descriptorLimit, &limit)
                limit.rlim_cur = 64 + 2 * 10
                setrlimit(descriptorLimit, &limit)
                let (event, started) = (Event<Void>(), Count())
                try await withServer(routes: { $0.waiting("/wait", .async, for: event, started: started) }) { live in
                    let clients = try (0..<10).map { _ in try Self.busy(live) }
                    #expect(eventually { started.value == 10 })
                    #expect(try live.refusal(of: "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n").status == 503)
                    event.send(())
                    for client in clients { #expect(try client.receiveResponse().text == "ok") }
                }
                exit(0)
            }
        }

        @Test
        func `a full server closes the connection that has been idle longest`() async throws {
            let (event, started) = (Event<Void>(), Count())
            try await withServer(
                hubs: .one("a hub closes only its own connections"), { $0.maxConnections = 3 },
                routes: {
                    $0.plain()
                    $0.waiting("/wait", .blocking, for: event, started: started)
                }
            ) { live in
                let busy = try Self.busy(live)
                #expect(eventually { started.value == 1 })
                let idle = try (0..<2).map { _ in try Self.idle(live) }
                #expect(try live.connectionCount() == 3)
                #expect(try live.get("/").text == "ok")
                for client in idle { #expect(try client.receiveUntilEnd().isEmpty) }
                event.send(())
                #expect(try busy.receiveResponse().text == "ok")
                #expect(live.log.entries("connections refused").isEmpty)
            }
        }

        @Test
        func `each of many connections beyond the limit is refused or closed, and none is left`() async throws {
            let (event, started) = (Event<Void>(), Count())
            try await withServer(
                { $0.maxConnections = 1 }, routes: { $0.waiting("/wait", .async, for: event, started: started) }
            ) { live in
                let served = try Self.busy(live)
                #expect(eventually { started.value == 1 })
                let clients = try (0..<300).map { _ in try live.connect() }
                for client in clients {
                    let text = String(decoding: try client.receiveUntilEnd(orReset: true), as: UTF8.self)
                    #expect(text.isEmpty || text.hasPrefix("HTTP/1.1 503 "))
                }
                event.send(())
                #expect(try served.receiveResponse().text == "ok")
            }
        }

        @Test(arguments: Style.allCases)
        func `clients that connect all at once do not delay connected clients`(style: Style) async throws {
            let (held, released, seen) = (Count(), Count(), Count())
            try await withServer(
                hubs: .one("blocks the hub while clients connect"),
                routes: { router in
                    router.on(.get, "/hold", style) { _ in
                        held.add()
                        while released.value == 0 { pause(milliseconds: 1) }
                        return Response(text: "ok")
                    }
                    router.on(.get, "/", style) { _ in
                        seen.add(Hub.current!.statistics.descriptors)
                        return Response(text: "ok")
                    }
                }
            ) { live in
                let connected = try Self.idle(live)
                let before = seen.value
                let holding = try Self.busy(live, "/hold")
                #expect(eventually { held.value == 1 })
                let crowd = try (0..<300).map { _ in try live.connect() }
                try connected.send(.get, "/")
                released.add()
                #expect(try connected.receiveResponse().text == "ok")
                // By then the server had accepted only a part of the others.
                #expect(seen.value - before < 200)
                #expect(try holding.receiveResponse().text == "ok")
                for client in crowd { try client.close() }
            }
        }

        @Test
        func `connections per address are limited, and other addresses are still served`() async throws {
            let (event, started) = (Event<Void>(), Count())
            try await withServer(
                { $0.maxConnectionsPerPeer = 2 },
                routes: {
                    $0.plain()
                    $0.waiting("/wait", .async, for: event, started: started)
                }
            ) { live in
                let clients = try (0..<2).map { _ in try Self.busy(live) }
                #expect(eventually { started.value == 2 })
                let refused = try live.refusal(of: "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(refused.status == 429)
                #expect(refused[.retryAfter] == "1")
                let other = try live.connect(TestConnectionOptions(source: "127.0.0.2"))
                try other.send(.get, "/", headers: [.connection: "close"])
                #expect(try other.receiveResponse().status == 200)
                try other.close()
                event.send(())
                for client in clients {
                    #expect(try client.receiveResponse().text == "ok")
                    try client.close()
                }
                #expect(try eventually { try live.get("/").status == 200 })
                #expect(
                    live.log.entries("connections refused").first?.metadata["reason"] == "its address has too many connections")
            }
        }

        @Test
        func `without a free green thread, blocking routes answer 503 and async routes are served`() async throws {
            let (event, started) = (Event<Void>(), Count())
            try await withServer(
                hubs: .one("each hub has its own limit of green threads"), { $0.maxGreenThreads = 2 },
                routes: { router in
                    router.waiting("/wait", .blocking, for: event, started: started)
                    router.plain("/blocking", .blocking)
                    router.plain("/async", .async)
                    router.streaming("/stream", .blocking, [[1]])
                    router.use { request, next in try await next(request) }
                }
            ) { live in
                let waiting = try (0..<2).map { _ in try Self.busy(live) }
                #expect(eventually { started.value == 2 })
                for path in ["/blocking", "/stream"] {
                    let answer = try live.get(path)
                    #expect(answer.status == 503)
                    #expect(answer[.retryAfter] == "1")
                }
                #expect(try live.get("/async").text == "ok")
                event.send(())
                for client in waiting { #expect(try client.receiveResponse().text == "ok") }
                #expect(try live.get("/blocking").text == "ok")
                #expect(try live.get("/stream").body == [1])
            }
        }

        @Test(arguments: Style.allCases)
        func `a peer that reads nothing delays only its own answer, and is disconnected`(style: Style) async throws {
            let (pieces, ended) = (Count(), Count())
            try await withServer(
                { $0.writeTimeout = .milliseconds(300) },
                routes: { router in
                    router.plain("/", style)
                    let piece = pattern(16 * 1024)
                    switch style {
                    case .async:
                        router.get("/endless") { _ async in
                            Response(streaming: { writer in
                                defer { ended.add() }
                                while true {
                                    try await writer.write(piece)
                                    pieces.add()
                                }
                            })
                        }
                    case .blocking:
                        router.get("/endless") { _ in
                            Response(streaming: { writer in
                                defer { ended.add() }
                                while true {
                                    try writer.write(piece)
                                    pieces.add()
                                }
                            })
                        }
                    }
                }
            ) { live in
                let client = try live.connect(TestConnectionOptions(receiveBuffer: 4096))
                try client.send(.get, "/endless")
                #expect(eventually { pieces.value > 0 })
                #expect(try live.get("/").text == "ok")
                #expect(eventually { ended.value == 1 })
                // As much as the kernel's buffers take, and no more.
                #expect(pieces.value < 1000)
                #expect(try eventually { try live.connectionCount() == 0 })
            }
        }

        @Test(arguments: [
            ("127.0.0.1", "127.0.0.1", true), ("127.0.0.1", "127.0.0.2", false), ("::ffff:127.0.0.1", "127.0.0.1", true),
            ("2001:db8::1", "2001:db8::2", true), ("2001:db8::1", "2001:db8:0:1::1", false), ("::1", "0.0.0.1", false),
        ])
        func `a peer is an IPv4 address or the upper half of an IPv6 address`(one: String, other: String, areSame: Bool) throws {
            let networks = try [one, other].map { host in
                let address = try #require(IPAddress(host))
                return try #require(PeerNetwork(.ip(SocketEndpoint(address: address, port: 1))))
            }
            #expect((networks[0] == networks[1]) == areSame)
        }
    }
}
