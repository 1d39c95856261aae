import Glibc
import Synchronization
import Tandem
import TandemHTTP
import TandemTesting
import Testing

extension ServerTests {
    struct StopTests {
        @Test(arguments: Style.allCases)
        func `stop closes idle connections at once, and answers requests in flight with Connection: close`(style: Style)
            async throws
        {
            let (event, started) = (Event<Void>(), Count())
            try await withServer(routes: { router in
                router.waiting("/slow", style, for: event, started: started)
                router.plain()
            }) { live in
                let idle = try (0..<20).map { _ in try live.connect() }
                for client in idle {
                    try client.send(.get, "/")
                    #expect(try client.receiveResponse().status == 200)
                }
                let busy = try (0..<50).map { _ in try live.connect() }
                for client in busy { try client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n") }
                // A connection with half a head is not idle: the head may still become a request.
                let starting = try live.connect()
                try starting.send("GET / HT")
                #expect(eventually { started.value == 50 })
                #expect(try eventually { try live.connectionCount() == 71 })

                live.server.stop(grace: .seconds(20))
                for client in idle { #expect(try client.receiveUntilEnd().isEmpty) }
                #expect(try live.connectionCount() == 51)
                #expect(try !busy[0].hasInput(within: .milliseconds(20)))
                #expect(throws: TestClientError.self) { try openConnection(to: .tcp(port: live.port)) }

                try starting.send("TP/1.1\r\nHost: a\r\n\r\n")
                event.send(())
                for client in busy + [starting] {
                    let answer = try client.receiveResponse()
                    #expect(answer.text == "ok")
                    #expect(answer.closes)
                    // The server does not execute the request pipelined behind it.
                    #expect(try client.receiveUntilEnd().isEmpty)
                    try client.close()
                }
                try live.waitUntilEnded()
                #expect(live.logged(71).allSatisfy { $0.outcome == .completed })
                #expect(live.log.lines.isEmpty)
                #expect(try live.connectionCount() == 0)
                let summary = live.server.stopSummary
                #expect(summary.idleConnections == 20)
                #expect(summary.requestsEnded == 51)
                #expect(summary.connectionsCut == 0)
            }
        }

        @Test
        func `a handler that ends after its hub closes the connection, and nothing else`() async throws {
            let (started, release) = (Event<Void>(), Event<Void>())
            let router = Router()
            router.get("/deaf") { _ in
                started.send(())
                // It does not heed the cancellation of the stopping hub.
                await Task.detached { try? await release.wait() }.value
                return Response(text: "too late")
            }
            var hubs = HubConfiguration()
            hubs.stopGrace = .milliseconds(20)
            let reports = Mutex<[HubReport.Kind]>([])
            hubs.onReport = { report in reports.withLock { $0.append(report.kind) } }
            let group = try HubGroup(count: 1, configuration: hubs)
            var configuration = HTTPServerConfiguration()
            configuration.port = 0
            let server = HTTPServer(router: router, configuration: configuration)
            group.hubs[0].spawn { try await server.run() }
            let port = try await server.waitUntilListening()
            let client = try await TestConnection.connect(to: .tcp(port: port))
            try await client.send(.get, "/deaf")
            try await started.wait()
            await group.shutdown()
            release.send(())
            #expect(try await client.receiveUntilEnd(orReset: true).isEmpty)
            #expect(reports.withLock { $0 }.contains(.unfinished))
            try await client.close()
        }

        @Test
        func `a leaving server serves as before, and another stop can end that phase early`() async throws {
            try await withServer(routes: { $0.plain() }) { live in
                #expect(live.server.phase == .serving)
                #expect(live.server.phase.isReady)
                let client = try live.connect()
                func ask(_ client: TestConnection) throws {
                    try client.send(.get, "/")
                    let answer = try client.receiveResponse()
                    #expect(answer.status == 200)
                    #expect(!answer.closes)
                }
                try ask(client)
                live.server.stop(grace: .seconds(20), delay: .seconds(600))
                #expect(live.server.phase == .leaving)
                #expect(!live.server.phase.isReady)
                #expect(try live.connectionCount() == 1)
                try ask(client)
                try ask(live.connect())
                // A later stop cannot lengthen it.
                live.server.stop(grace: .seconds(20), delay: .seconds(700))
                #expect(!live.server.draining.hasBegun)
                live.server.stop(grace: .seconds(20), delay: .zero)
                #expect(try client.receiveUntilEnd().isEmpty)
                try live.waitUntilEnded()
                #expect(live.server.phase == .stopped)
                #expect(live.server.stopSummary.idleConnections == 2)
            }
        }

        @Test
        func `after the delay the server drains, and after the grace period it cuts connections`() async throws {
            let started = Count()
            try await withServer(
                { configuration in
                    configuration.stopDelay = .milliseconds(20)
                    configuration.stopGrace = .milliseconds(20)
                }, routes: { $0.waiting("/", .async, for: Event(), started: started) }
            ) { live in
                let client = try live.connect()
                try client.send(.get, "/")
                #expect(eventually { started.value == 1 })
                live.server.stop()
                try blockThread { [server = live.server] in try await server.draining.wait() }
                #expect(live.server.phase >= .draining)
                #expect(try client.receiveUntilEnd(orReset: true).isEmpty)
                try live.waitUntilEnded()
                #expect(live.server.stopSummary.connectionsCut == 1)
            }
        }

        @Test
        func `a client that connected before draining began is answered, even if it was not accepted yet`() async throws {
            let (holds, release) = (Count(), Count())
            try await withServer(
                hubs: .one("blocks one hub"),
                routes: { router in
                    router.plain()
                    router.get("/hold") { _ async in
                        holds.add()
                        _ = eventually { release.value == 1 }
                        return Response(text: "held")
                    }
                }
            ) { live in
                let holder = try live.connect()
                try holder.send(.get, "/hold")
                #expect(eventually { holds.value == 1 })
                let waiting = try (0..<20).map { _ in try live.connect() }
                for client in waiting { try client.send(.get, "/") }
                live.server.stop(grace: .seconds(20))
                release.add()
                #expect(try holder.receiveResponse().text == "held")
                for client in waiting {
                    let answer = try client.receiveResponse()
                    #expect(answer.status == 200)
                    #expect(answer.closes)
                    try client.close()
                }
                try live.waitUntilEnded()
            }
        }

        @Test(arguments: Style.allCases)
        func `requests that outlast the grace period are cancelled, and run returns`(style: Style) async throws {
            let started = Count()
            let hubs = TestHubs.one("each hub logs how many connections it has cut")
            try await withServer(hubs: hubs, routes: { $0.waiting("/", style, for: Event(), started: started) }) { live in
                let clients = try (0..<20).map { _ in try live.connect() }
                for client in clients { try client.send(.get, "/") }
                #expect(eventually { started.value == 20 })
                live.server.stop(grace: .milliseconds(100))
                try live.waitUntilEnded()
                for client in clients { #expect(try client.receiveUntilEnd(orReset: true).isEmpty) }
                #expect(live.logged(20).map(\.outcome) == Array(repeating: .cancelled, count: 20))
                #expect(live.log.entries("request cancelled").count == 20)
                #expect(live.log.entries("request cancelled").allSatisfy { $0.metadata["reason"] == "the server stops" })
                #expect(live.log.entries("grace is over, connections cut").map { $0.metadata["count"] } == ["20"])
                #expect(live.server.stopSummary.connectionsCut == 20)
                #expect(live.server.stopSummary.requestsEnded == 0)
            }
        }

        @Test(arguments: Style.allCases)
        func `a second stop can shorten the grace period, not lengthen it`(style: Style) async throws {
            let started = Count()
            try await withServer(routes: { $0.waiting("/", style, for: Event(), started: started) }) { live in
                let client = try live.connect()
                try client.send(.get, "/")
                #expect(eventually { started.value == 1 })
                live.server.stop(grace: .seconds(60))
                live.server.stop(grace: .milliseconds(50))
                live.server.stop(grace: .seconds(60))
                try live.waitUntilEnded()
                #expect(try client.receiveUntilEnd(orReset: true).isEmpty)
            }
        }

        @Test
        func `a stopped server leaves nothing on its hub, whatever its grace period`() async throws {
            try await withServer(routes: { $0.plain() }) { live in
                let client = try live.connect()
                try client.send(.get, "/")
                #expect(try client.receiveResponse().status == 200)
                live.server.stop(grace: .seconds(3600))
                try live.waitUntilEnded()
                // withServer checks the rest.
            }
        }

        @Test(arguments: Style.allCases)
        func `a stream may finish within the grace period`(style: Style) async throws {
            let event = Event<Void>()
            try await withServer(routes: { router in
                router.get("/") { _ async in
                    switch style {
                    case .blocking:
                        Response(streaming: { writer in
                            try writer.write(pattern(1))
                            try event.wait()
                            try writer.write(pattern(2))
                        })
                    case .async:
                        Response(streaming: { writer in
                            try await writer.write(pattern(1))
                            try await event.wait()
                            try await writer.write(pattern(2))
                        })
                    }
                }
            }) { live in
                let client = try live.connect()
                try client.send(.get, "/")
                _ = try client.receiveHead()
                #expect(try client.receiveChunk()?.count == 1)
                live.server.stop(grace: .seconds(20))
                #expect(try !client.hasInput(within: .milliseconds(50)))
                event.send(())
                #expect(try client.receiveChunk()?.count == 2)
                #expect(try client.receiveChunk() == nil)
                #expect(try client.receiveUntilEnd().isEmpty)
                try client.close()
                try live.waitUntilEnded()
            }
        }

        @Test(arguments: Style.allCases)
        func `cancelling the task of run cuts every connection at once`(style: Style) async throws {
            let started = Count()
            try await withServer(routes: { $0.waiting("/", style, for: Event(), started: started) }) { live in
                let clients = try (0..<10).map { _ in try live.connect() }
                for client in clients[..<5] { try client.send(.get, "/") }
                #expect(eventually { started.value == 5 })
                #expect(try eventually { try live.connectionCount() == 10 })
                live.cancelRun()
                try live.waitUntilEnded()
                for client in clients { #expect(try client.receiveUntilEnd(orReset: true).isEmpty) }
                #expect(live.logged(5).map(\.outcome) == Array(repeating: .cancelled, count: 5))
                #expect(throws: TestClientError.self) { try openConnection(to: .tcp(port: live.port)) }
            }
        }

        @Test(arguments: Style.allCases)
        func `run waits for a handler that ignores its cancellation, without spinning the hub`(style: Style) async throws {
            let (event, started) = (Event<Void>(), Count())
            let ignoring: @Sendable () async -> Void = { await Task { _ = try? await event.wait() }.value }
            try await withServer(
                hubs: .one("counts the hub's turns"),
                routes: { router in
                    switch style {
                    case .blocking:
                        router.get("/") { _ in
                            started.add()
                            try awaiting { await ignoring() }
                            return Response(text: "ok")
                        }
                    case .async:
                        router.get("/") { _ in
                            started.add()
                            await ignoring()
                            return Response(text: "ok")
                        }
                    }
                }
            ) { live in
                let client = try live.connect()
                try client.send(.get, "/")
                #expect(eventually { started.value == 1 })
                live.cancelRun()
                pause(milliseconds: 20)
                let before = try live.statistics().turns
                pause(milliseconds: 100)
                #expect(try live.statistics().turns - before < 50)
                event.send(())
                try live.waitUntilEnded()
                // The handler has answered, so the client gets the answer.
                #expect(try client.receiveResponse().text == "ok")
            }
        }

        @Test(arguments: Style.allCases)
        func `a client that has its answer and has not sent its whole body does not delay the stop`(style: Style) async throws {
            try await withServer(
                { $0.lingerTimeout = .milliseconds(50) }, routes: { $0.on(.post, "/", style) { _ in Response(text: "ok") } }
            ) { live in
                let client = try live.connect()
                try client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
                #expect(try client.receiveResponse().text == "ok")
                live.server.stop(grace: .seconds(20))
                let clock = ContinuousClock()
                #expect(try clock.measure { try live.waitUntilEnded() } < .seconds(5))
            }
        }

        @Test
        func `run returns at once on a server that was stopped before`() async throws {
            let server = HTTPServer(router: Router(), configuration: anyPort())
            server.stop()
            try await onOwnThread { try inBackground { try Hub.run { try await server.run() } }.wait() }
            let another = HTTPServer(router: Router(), configuration: anyPort())
            another.stop(grace: .zero)
            try await another.run()
            #expect(await another.connectionCount() == 0)
        }

        @Test(arguments: [0, 5])
        func `a hub that stops ends the server on it`(connections: Int) async throws {
            // When the hub stops, it has accepted the clients or is about to.
            for turns in 0..<5 {
                let server = HTTPServer(router: Router(), configuration: anyPort())
                let clients = try await onOwnThread {
                    try inBackground {
                        try Hub.run {
                            Hub.current!.spawn { try await server.run() }
                            let port = try await server.waitUntilListening()
                            let clients = try (0..<connections).map { _ in try blockingSocket(port: port) }
                            for _ in 0..<turns { await Task.yield() }
                            return clients
                        }
                    }.wait(seconds: 4)
                }
                let left = try await onOwnThread { try clients.map { try readUntilEnd($0) } }
                #expect(left.allSatisfy { $0.isEmpty })
                #expect(await server.connectionCount() == 0)
            }
        }
    }
}

/// Returns a configuration with a port that the kernel chooses.
func anyPort() -> HTTPServerConfiguration {
    var configuration = HTTPServerConfiguration()
    configuration.port = 0
    return configuration
}
