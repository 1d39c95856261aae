import Tandem
import TandemHTTP
import TandemTesting
import Testing

extension ServerTests {
    struct CancellationTests {
        /// The wait of a handler whose client goes away.
        enum Waiting: String, CaseIterable, Sendable { case sleeping, readingBody }

        /// Crosses `depth` bridges, alternating the styles, and waits at the bottom.
        static func descend(_ depth: Int, _ waiting: Waiting, _ request: Request, _ started: Count) async throws {
            guard depth > 0 else {
                started.add()
                switch waiting {
                case .sleeping: try await sleep(for: .seconds(60))
                case .readingBody: _ = try await request.body.collect(upTo: 1000)
                }
                return
            }
            try await blocking { try descendBlocking(depth - 1, waiting, request, started) }
        }

        @available(*, noasync)
        static func descendBlocking(_ depth: Int, _ waiting: Waiting, _ request: Request, _ started: Count) throws {
            guard depth > 0 else {
                started.add()
                switch waiting {
                case .sleeping: try sleep(for: .seconds(60))
                case .readingBody: _ = try request.body.collect(upTo: 1000)
                }
                return
            }
            try awaiting { try await descend(depth - 1, waiting, request, started) }
        }

        /// Returns a handler that waits at this depth, and records the error that it gets.
        static func waiting(
            _ router: Router, _ style: Style, _ depth: Int, _ waiting: Waiting, _ started: Count, _ errors: Collected<String>
        ) {
            switch style {
            case .blocking:
                router.post("/") { request in
                    do { try descendBlocking(depth, waiting, request, started) } catch {
                        errors.add("\(type(of: error))")
                        throw error
                    }
                    return Response()
                }
            case .async:
                router.post("/") { request in
                    do { try await descend(depth, waiting, request, started) } catch {
                        errors.add("\(type(of: error))")
                        throw error
                    }
                    return Response()
                }
            }
        }

        static let request = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"

        @Test(arguments: Style.allCases, [0, 1, 5, 50])
        func `a reset cancels the handler where it waits, at any depth`(style: Style, depth: Int) async throws {
            for waiting in Waiting.allCases {
                let (started, errors) = (Count(), Collected<String>())
                try await withServer(
                    hubs: .one("counts tasks and waits of the hub"),
                    routes: { Self.waiting($0, style, depth, waiting, started, errors) }
                ) { live in
                    let clients = try (0..<5).map { _ in try live.connect() }
                    for client in clients { try client.send(Self.request) }
                    #expect(eventually { started.value == 5 })
                    for client in clients { try client.close(reset: true) }
                    let entries = live.logged(5)
                    #expect(errors.all == Array(repeating: "CancellationError", count: 5))
                    #expect(entries.allSatisfy { $0.outcome == .cancelled && $0.status == 499 && $0.bytes == 0 })
                    #expect(eventually { live.log.lines.count == 5 })
                    #expect(
                        live.log.entries("request cancelled").allSatisfy {
                            $0.metadata["reason"] == "the client reset the connection"
                        })
                    #expect(try eventually { try live.connectionCount() == 0 })
                    #expect(try live.statistics().greenThreads == 0)
                }
            }
        }

        @Test(arguments: Style.allCases)
        func `a reset cancels a stream that waits or whose client does not read`(style: Style) async throws {
            let started = Count()
            try await withServer(routes: { router in
                for (path, piece) in [("/sleeps", pattern(1)), ("/writes", pattern(1 << 20))] {
                    router.get(path) { _ async in
                        switch style {
                        case .blocking:
                            Response(streaming: { writer in
                                for _ in 0..<100 {
                                    try writer.write(piece)
                                    started.add()
                                    if piece.count == 1 { try sleep(for: .seconds(60)) }
                                }
                            })
                        case .async:
                            Response(streaming: { writer in
                                for _ in 0..<100 {
                                    try await writer.write(piece)
                                    started.add()
                                    if piece.count == 1 { try await sleep(for: .seconds(60)) }
                                }
                            })
                        }
                    }
                }
            }) { live in
                for path in ["/sleeps", "/writes"] {
                    let client = try live.connect(TestConnectionOptions(receiveBuffer: 16 * 1024))
                    try client.send(.get, path)
                    _ = try client.receiveHead()
                    pause(milliseconds: 20)
                    try client.close(reset: true)
                    #expect(eventually { live.access.entries(path).map(\.outcome) == [.cancelled] })
                }
                #expect(live.log.lines.map(\.message) == ["request cancelled", "request cancelled"])
            }
        }

        @Test(arguments: Style.allCases)
        func `a client that resets before its handler starts also cancels it`(style: Style) async throws {
            let errors = Collected<String>()
            try await withServer(routes: { router in
                Self.waiting(router, style, 0, .sleeping, Count(), errors)
                router.get("/hold") { _ async in
                    // Holds the hub until the client has gone.
                    pause(milliseconds: 100)
                    return Response()
                }
            }) { live in
                let holder = try live.connect()
                let client = try live.connect()
                #expect(try eventually { try live.connectionCount() == 2 })
                try holder.send(.get, "/hold")
                pause(milliseconds: 20)
                try client.send(Self.request)
                try client.close(reset: true)
                #expect(try holder.receiveResponse().status == 200)
                #expect(try eventually { try live.connectionCount() == 1 })
                // The server did not see the request, or cancelled it at once.
                #expect(errors.all.allSatisfy { $0 == "CancellationError" })
            }
        }

        @Test(arguments: Style.allCases)
        func `a client that half-closes gets its answer within the grace period`(style: Style) async throws {
            try await withServer(
                { $0.halfCloseGrace = .seconds(10) },
                routes: { router in
                    router.sleeping("/", style, milliseconds: 100)
                    router.streaming("/stream", style, [pattern(5)])
                }
            ) { live in
                for (path, body) in [("/", Array("ok".utf8)), ("/stream", pattern(5))] {
                    let early = try live.connect()
                    try early.send(.get, path)
                    try early.endSending()
                    let late = try live.connect()
                    try late.send(.get, path)
                    pause(milliseconds: 20)
                    try late.endSending()
                    for client in [early, late] {
                        #expect(try client.receiveResponse().body == body)
                        #expect(try client.receiveUntilEnd().isEmpty)
                    }
                }
                #expect(live.logged(4).allSatisfy { $0.outcome == .completed })
            }
        }

        /// Sleeps for this long after the server has noticed the client's FIN, that is, when one more timer than `before` is
        /// armed. Until then it yields, so that a virtual clock stands still. Records how long it has slept.
        private static func sleepingAfterFIN(
            _ router: Router, _ style: Style, _ duration: Duration, _ before: Count, _ slept: Collected<Duration>
        ) {
            switch style {
            case .blocking:
                router.get("/") { _ in
                    while Hub.current!.statistics.timers <= before.value { try sleep(for: .zero) }
                    let start = Hub.current!.now
                    defer { slept.add(Hub.current!.now - start) }
                    try sleep(for: duration)
                    return Response(text: "ok")
                }
            case .async:
                router.get("/") { _ in
                    while Hub.current!.statistics.timers <= before.value { try await sleep(for: .zero) }
                    let start = Hub.current!.now
                    defer { slept.add(Hub.current!.now - start) }
                    try await sleep(for: duration)
                    return Response(text: "ok")
                }
            }
        }

        @Test(arguments: Style.allCases)
        func `a half-closed client's handler is cancelled when the grace period ends`(style: Style) async throws {
            let (before, slept) = (Count(), Collected<Duration>())
            try await withServer(
                hubs: .one("its clock is virtual"),
                {
                    $0.useVirtualClock()
                    $0.halfCloseGrace = .seconds(150)
                }, routes: { Self.sleepingAfterFIN($0, style, .seconds(200), before, slept) }
            ) { live in
                before.add(try live.statistics().timers)
                let client = try live.connect()
                try client.send(.get, "/")
                try client.endSending()
                #expect(try client.receiveUntilEnd(orReset: true).isEmpty)
                #expect(live.logged(1).map(\.outcome) == [.cancelled])
                #expect(slept.all == [.seconds(150)])
                #expect(eventually { live.log.entries("request cancelled").count == 1 })
                #expect(live.log.entries("request cancelled").first?.metadata["reason"]?.contains("grace") == true)
            }
        }

        @Test(arguments: Style.allCases)
        func `the grace period of one request does not affect the next request`(style: Style) async throws {
            let (before, slept) = (Count(), Collected<Duration>())
            try await withServer(
                hubs: .one("its clock is virtual"),
                {
                    $0.useVirtualClock()
                    $0.halfCloseGrace = .seconds(150)
                }, routes: { Self.sleepingAfterFIN($0, style, .seconds(100), before, slept) }
            ) { live in
                before.add(try live.statistics().timers)
                let client = try live.connect()
                try client.send(String(repeating: "GET / HTTP/1.1\r\nHost: a\r\n\r\n", count: 4))
                try client.endSending()
                for _ in 0..<4 { #expect(try client.receiveResponse().text == "ok") }
                #expect(try client.receiveUntilEnd().isEmpty)
                #expect(slept.all == Array(repeating: .seconds(100), count: 4))
            }
        }

        @Test(arguments: Style.allCases)
        func `a handler that ignores its cancellation may end later`(style: Style) async throws {
            let (started, ended) = (Count(), Count())
            try await withServer(
                { $0.halfCloseGrace = .milliseconds(20) },
                routes: { router in
                    switch style {
                    case .blocking:
                        router.get("/") { _ in
                            started.add()
                            try? sleep(for: .seconds(60))
                            try? awaiting { await Task { try? await sleep(for: .milliseconds(100)) }.value }
                            ended.add()
                            return Response(text: "ok")
                        }
                    case .async:
                        router.get("/") { _ in
                            started.add()
                            try? await sleep(for: .seconds(60))
                            await Task { try? await sleep(for: .milliseconds(100)) }.value
                            ended.add()
                            return Response(text: "ok")
                        }
                    }
                }
            ) { live in
                let gone = try live.connect()
                try gone.send(.get, "/")
                let half = try live.connect()
                try half.send(.get, "/")
                #expect(eventually { started.value == 2 })
                try gone.close(reset: true)
                try half.endSending()
                // A client that still reads gets its answer.
                #expect(try half.receiveResponse().text == "ok")
                #expect(try half.receiveUntilEnd().isEmpty)
                #expect(eventually { ended.value == 2 })
                #expect(try eventually { try live.connectionCount() == 0 })
            }
        }

        @Test(arguments: Style.allCases)
        func `a client that closes while its answer is written affects only its own connection`(style: Style) async throws {
            // A write to a closed connection must be an error, not a SIGPIPE.
            try await withServer(
                { $0.halfCloseGrace = .milliseconds(50) },
                routes: { router in
                    router.streaming("/stream", style, Array(repeating: pattern(10_000), count: 2000))
                    router.on(.get, "/bytes", style) { _ in Response(body: pattern(8 << 20)) }
                    router.plain("/", style)
                }
            ) { live in
                for path in ["/stream", "/bytes"] {
                    for _ in 0..<10 {
                        let client = try live.connect(TestConnectionOptions(receiveBuffer: 16 * 1024))
                        try client.send(.get, path)
                        _ = try client.receiveHead()
                        try client.close()
                    }
                }
                #expect(try eventually { try live.connectionCount() == 0 })
                #expect(try live.get("/").text == "ok")
                #expect(live.logged(21).count == 21)
                #expect(live.access.entries.filter { $0.target != "/" }.allSatisfy { $0.outcome != .completed })
            }
        }
    }
}
