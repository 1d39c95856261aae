import Glibc
import Logging
import Synchronization
import Tandem
import TandemHTTP
import TandemTesting
import Testing

extension ServerTests {
    struct ConcurrencyTests {
        @Test(arguments: Style.allCases)
        func `idle connections hold no stack and no buffer`(style: Style) async throws {
            try await withServer(hubs: .one("counts tasks and waits of the hub"), routes: { $0.plain("/", style) }) { live in
                func connect(_ count: Int) throws {
                    let clients = try (0..<count).map { _ in try live.connect() }
                    for client in clients { try client.send(.get, "/") }
                    for client in clients { #expect(try client.receiveResponse().status == 200) }
                }
                // One-time allocations happen here.
                try connect(200)
                let before = allocatedBytes()
                try connect(1000)
                let each = (allocatedBytes() - before) / 1000
                let idle = try live.statistics()
                #expect(try live.connectionCount() == 1200)
                #expect(idle.greenThreads == 0)
                #expect(idle.waits >= 1200)
                // One buffer would add 16 KiB.
                #expect(each < 12_000)
            }
        }

        @Test
        func `200 blocking handlers sleep at the same time on one thread`() async throws {
            let (started, begun, ended) = (Count(), Collected<Duration>(), Collected<Duration>())
            let goOn = Event<Void>()
            try await withServer(
                hubs: .one("its clock is virtual"), { $0.useVirtualClock() },
                routes: { router in
                    router.get("/") { _ in
                        started.add()
                        try goOn.wait()
                        begun.add(Hub.current!.now)
                        try sleep(for: .seconds(200))
                        ended.add(Hub.current!.now)
                        return Response(text: "ok")
                    }
                }
            ) { live in
                let clients = try (0..<200).map { _ in try live.connect() }
                for client in clients { try client.send(.get, "/") }
                #expect(eventually { started.value == 200 })
                goOn.send(())
                for client in clients { #expect(try client.receiveResponse().text == "ok") }
                #expect(begun.all.count == 200 && Set(begun.all).count == 1)
                #expect(ended.all.count == 200 && Set(ended.all).count == 1)
                let statistics = try live.statistics()
                #expect(statistics.greenThreadsHighWater >= 200)
                #expect(statistics.greenThreads == 0)
            }
        }

        @Test
        func `both styles run on the hub's thread`() async throws {
            try await withServer(
                hubs: .one("compares threads of one hub"),
                routes: { router in
                    for style in Style.allCases {
                        router.on(.get, "/\(style)", style) { _ in
                            Response(text: "\(GreenThreadIdentity.osThread) \(GreenThreadIdentity.current == nil)")
                        }
                    }
                }
            ) { live in
                let hub = try live.onHub { GreenThreadIdentity.osThread }
                #expect(try live.get("/blocking").text == "\(hub) false")
                #expect(try live.get("/async").text == "\(hub) true")
            }
        }

        @Test(arguments: Style.allCases)
        func `a handler can call its own server`(style: Style) async throws {
            let port = Mutex(0)
            try await withServer(routes: { router in
                router.sleeping("/inner", style == .async ? .blocking : .async, milliseconds: 20)
                switch style {
                case .blocking:
                    router.get("/outer") { _ in
                        let client = TestClient(to: .tcp(port: port.withLock { $0 }))
                        defer { try? client.close() }
                        return Response(body: try client.get("/inner").body)
                    }
                case .async:
                    router.get("/outer") { _ in
                        let client = TestClient(to: .tcp(port: port.withLock { $0 }))
                        let response = try await client.get("/inner")
                        await client.close()
                        return Response(body: response.body)
                    }
                }
            }) { live in
                port.withLock { $0 = live.port }
                let answer = try live.get("/outer")
                #expect(answer.text == "ok")
            }
        }

        @Test(arguments: Style.allCases, [false, true])
        func `a client that pipelines without end shares the hub with others, even when handlers keep their logger`(
            style: Style, keepsLogger: Bool
        ) async throws {
            let calls = Count()
            let kept = Mutex<[Logger]>([])
            try await withServer(routes: { router in
                router.plain("/", style)
                router.on(.get, "/busy", style) { _ in
                    calls.add()
                    if keepsLogger { kept.withLock { $0.append(Logger.current) } }
                    pause(milliseconds: 1)
                    return Response()
                }
            }) { live in
                let (flooding, other) = (try live.connect(), try live.connect())
                let count = 1000
                try flooding.send(String(repeating: "GET /busy HTTP/1.1\r\nHost: a\r\n\r\n", count: count))
                #expect(eventually { calls.value > 0 })
                try other.send(.get, "/")
                #expect(try other.receiveResponse().text == "ok")
                #expect(calls.value < count / 2)
                for _ in 0..<count { #expect(try flooding.receiveResponse().status == 200) }
            }
        }

        @Test(arguments: Style.allCases)
        func `cancelling the server ends a client that pipelines without end`(style: Style) async throws {
            let calls = Count()
            try await withServer(routes: { router in
                router.on(.get, "/", style) { _ in
                    calls.add()
                    pause(milliseconds: 1)
                    return Response()
                }
            }) { live in
                let flooding = try live.connect()
                let count = 5000
                try flooding.send(String(repeating: "GET / HTTP/1.1\r\nHost: a\r\n\r\n", count: count))
                #expect(eventually { calls.value > 0 })
                live.cancelRun()
                try live.waitUntilEnded()
                #expect(calls.value < count)
            }
        }
    }
}
