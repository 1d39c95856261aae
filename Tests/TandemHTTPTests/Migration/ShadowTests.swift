import Logging
import Synchronization
import Tandem
import TandemHTTP
import TandemTesting
import Testing

extension ServerTests {
    /// Runs of a second handler, and the comparison of its answer.
    struct ShadowTests {
        struct Broken: Error {}

        /// An old and a new handler whose answers differ in one part.
        struct Pair: Sendable, CustomTestStringConvertible {
            let testDescription: String
            var part: AnswerDifference.Part
            var old: @Sendable (Request) throws -> Response = { _ in Response(text: "same") }
            var new: @Sendable (Request) throws -> Response
        }

        private static func stream(_ pieces: [String], then end: (any Error)? = nil) -> Response {
            Response(streaming: { writer in
                for piece in pieces { try writer.write(Array(piece.utf8)) }
                if let end { throw end }
            })
        }

        static let pairs = [
            Pair(testDescription: "status", part: .init(.status), new: { _ in Response(status: .accepted, text: "same") }),
            Pair(
                testDescription: "header", part: .init(.header, "Location"),
                new: { _ in
                    var response = Response(text: "same")
                    response.headers[.location] = "/elsewhere"
                    return response
                }),
            Pair(testDescription: "body byte", part: .init(.body), new: { _ in Response(text: "sane") }),
            Pair(
                testDescription: "stream byte", part: .init(.body), old: { _ in stream(["a", "b", "c"]) },
                new: { _ in stream(["ab", "d"]) }),
            Pair(
                testDescription: "stream length", part: .init(.body), old: { _ in stream(["a", "b"]) },
                new: { _ in stream(["a", "b", "c"]) }),
            Pair(testDescription: "thrown error", part: .init(.error), new: { _ in throw Broken() }),
            Pair(
                testDescription: "error of a stream", part: .init(.error), old: { _ in stream(["a"]) },
                new: { _ in stream(["a"], then: Broken()) }),
            Pair(testDescription: "HTTPError", part: .init(.status), new: { _ in throw HTTPError(.notFound, "same") }),
        ]

        @Test(arguments: pairs, [StylePair(old: .blocking, new: .async), StylePair(old: .async, new: .blocking)])
        func `one difference is found, in its part`(pair: Pair, styles: StylePair) async throws {
            try await withServer(routes: {
                $0.migrate("/", styles: styles, old: pair.old, new: pair.new, .shadow(sample: 100))
            }) { live in
                let report = try live.compare(200)
                #expect(report.verdict == .differs)
                let part = try #require(report.parts.first { $0.part == pair.part })
                #expect(part.verdict == .differs)
                #expect(part.candidates == report.compared(.candidate))
                #expect(part.controls == 0)
                #expect(report.compared(.control) > 10)
                #expect(part.samples.count == 5)
                #expect(live.log.lines.isEmpty, "the error of a shadow is not the server's")
                #expect(live.access.entries.allSatisfy { $0.status == 200 })
            }
        }

        @Test(arguments: [Migration.shadow(sample: 100, control: 30), .new(verify: 100, control: 30)])
        func `an endpoint with a clock compared with itself does not differ`(mode: Migration) async throws {
            let handler: @Sendable (Request) throws -> Response = { _ in
                Response(text: "now: \(ContinuousClock.now)")
            }
            try await withServer(routes: { $0.migrate("/", old: handler, new: handler, mode) }) { live in
                let report = try live.compare(200)
                #expect(report.verdict == .same)
                let part = try #require(report.parts.first)
                #expect(part.candidates >= 200)
                #expect(part.controls >= 60)
                #expect(part.verdict == .same)
            }
        }

        @Test
        func `equal answers match, and a report tells which answers were compared with what`() async throws {
            let (old, new) = (Count(), Count())
            try await withServer(routes: { router in
                router.migrate(
                    "/",
                    old: { _ in
                        old.add(); return Response(text: "x")
                    },
                    new: { _ in
                        new.add(); return Response(text: "x")
                    },
                    .new(verify: 100, control: 0))
            }) { live in
                let report = try live.compare(20)
                #expect(report.parts.isEmpty)
                #expect(report.comparisons[.candidate]?[.match] == report.compared(.candidate))
                #expect(try live.shadowsEnded())
                // The new handler has answered, and the old one ran as the candidate.
                #expect(new.value == report.requests[.new]?[.share].map(Int.init))
                #expect(old.value > 0 && old.value <= new.value)
                #expect(report.durations[.candidate]?.count == report.compared(.candidate))
                #expect(report.durations[.answer]?.count ?? 0 >= 20)
                #expect(report.verdict == .needsData)
            }
        }

        @Test
        func `ignored parts are counted with their reasons`() async throws {
            let comparison = AnswerComparison.exact.ignoring(.cacheControl, because: "the new one caches").comparing(.server)
            try await withServer(routes: { router in
                router.migrate(
                    "/",
                    new: { _ in
                        var response = Response(text: "old")
                        response.headers[.cacheControl] = "max-age=5"
                        return response
                    }, .shadow(sample: 100, control: 0), comparing: comparison)
            }) { live in
                let report = try live.compare(20)
                #expect(report.comparisons[.candidate]?[.ignored] == report.compared(.candidate))
                #expect(report.parts.isEmpty)
                let ignored = try #require(report.ignored.first)
                #expect(ignored.key.part == .init(.header, "Cache-Control"))
                #expect(ignored.key.reason == "the new one caches")
                #expect(ignored.value == report.compared(.candidate))
            }
        }

        @Test(arguments: Style.allCases)
        func `an answer is sent before its shadow begins`(style: Style) async throws {
            let (begun, goOn) = (Count(), Event<Void>())
            try await withServer(routes: { router in
                let old: @Sendable (Request) throws -> Response = { _ in
                    style == .async ? Response(text: "old") : Self.stream(["o", "l", "d"])
                }
                router.migrate(
                    .get, "/", from: old,
                    to: { _ in
                        begun.add(); try await goOn.wait(); return Response(text: "old")
                    }, .shadow(sample: 100, control: 0))
            }) { live in
                let client = try live.connect()
                // The connection serves further requests while shadows wait.
                for _ in 0..<10 {
                    try client.send(.get, "/")
                    let response = try client.receiveResponse()
                    #expect(response.text == "old")
                    #expect(!response.closes)
                }
                #expect(eventually { begun.value > 0 })
                goOn.send(())
                #expect(try live.shadowsEnded())
            }
        }

        @Test
        func `no shadow begins in the turn of its answer`() async throws {
            let order = Collected<String>()
            try await withServer(
                hubs: .one("counts turns of the hub"),
                routes: { router in
                    router.migrate(
                        "/", styles: StylePair(old: .async, new: .async),
                        old: { _ in
                            order.add("old \(Hub.current!.statistics.turns)"); return Response(text: "x")
                        },
                        new: { _ in
                            order.add("new \(Hub.current!.statistics.turns)"); return Response(text: "x")
                        },
                        .shadow(sample: 100, control: 0))
                }
            ) { live in
                // Pipelined: the answers are gathered and sent at the end of the turn.
                let client = try live.connect()
                try client.send(String(repeating: "GET / HTTP/1.1\r\nHost: a\r\n\r\n", count: 8))
                for _ in 0..<8 { #expect(try client.receiveResponse().text == "x") }
                #expect(try live.shadowsEnded())
                let turns = order.all.map { $0.split(separator: " ") }
                let answered = turns.filter { $0[0] == "old" }.compactMap { Int($0[1]) }
                let shadowed = turns.filter { $0[0] == "new" }.compactMap { Int($0[1]) }
                #expect(answered.count == 8)
                try #require(!shadowed.isEmpty)
                #expect(shadowed.min()! > answered.min()!)
            }
        }

        /// Candidates that misbehave.
        enum Misbehaviour: String, CaseIterable, Sendable { case throwing, hanging, flooding, holding }

        @Test(arguments: Misbehaviour.allCases, Style.allCases)
        func `a candidate that misbehaves leaves the answers and keep-alive alone`(
            kind: Misbehaviour, style: Style
        ) async throws {
            let (begun, stop) = (Count(), Event<Void>())
            let blocking: @Sendable (Request) throws -> Response = { request in
                begun.add()
                switch kind {
                case .throwing: throw Broken()
                // Ignores its cancellation.
                case .hanging: try withCancellationShield { try stop.wait() }
                case .flooding:
                    return Response(streaming: { writer in
                        while stop.outcome == nil { try? writer.write([UInt8](repeating: 7, count: 4096)) }
                    })
                case .holding:
                    let end = ContinuousClock.now + .milliseconds(2)
                    while ContinuousClock.now < end {}
                }
                return Response(text: "new")
            }
            let async: @Sendable (Request) async throws -> Response = { request in
                begun.add()
                switch kind {
                case .throwing: throw Broken()
                case .hanging: try await withCancellationShield { try await stop.wait() }
                case .flooding:
                    return Response(streaming: { writer in
                        while stop.outcome == nil { try? await writer.write([UInt8](repeating: 7, count: 4096)) }
                    })
                case .holding:
                    let end = ContinuousClock.now + .milliseconds(2)
                    while ContinuousClock.now < end {}
                }
                return Response(text: "new")
            }
            try await withServer(
                {
                    $0.migrations.shadowTimeout = .milliseconds(50)
                    $0.migrations.shadowMaxInFlight = 4
                },
                routes: { router in
                    let old: @Sendable (Request) throws -> Response = { _ in Response(text: "old") }
                    if style == .blocking {
                        router.migrate(.get, "/", from: old, to: blocking, .shadow(sample: 100, control: 0))
                    } else {
                        router.migrate(.get, "/", from: old, to: async, .shadow(sample: 100, control: 0))
                    }
                }
            ) { live in
                let client = try live.connect()
                for _ in 0..<200 {
                    try client.send(.get, "/")
                    let response = try client.receiveResponse()
                    #expect(response.status == .ok)
                    #expect(response.text == "old")
                    #expect(!response.closes)
                }
                #expect(eventually { begun.value > 0 })
                if kind == .hanging || kind == .flooding {
                    // Never more than the limit, and the rest is counted.
                    let report = try live.migration()
                    #expect(begun.value <= 4)
                    #expect(report.skipped[.limit] ?? 0 >= 190)
                    #expect(try eventually { try live.migration().comparisons[.candidate]?[.timeout] == UInt64(begun.value) })
                }
                stop.send(())
                #expect(try live.shadowsEnded())
                let report = try live.migration()
                #expect(report.requests == [.old: [.share: 200]])
                if kind == .hanging { #expect(report.parts.contains { "\($0.part)" == "error timeout" }) }
                if kind == .throwing { #expect(report.comparisons[.candidate]?[.failed] == UInt64(begun.value)) }
                #expect(live.logged(200).allSatisfy { $0.status == 200 && $0.style == .blocking })
                #expect(live.access.entries.count == 200)
                #expect(live.log.lines.isEmpty)
            }
        }

        @Test
        func `what is too long is skipped and counted`() async throws {
            try await withServer(
                {
                    $0.migrations.compareMaxBytes = 10
                    $0.migrations.shadowMaxBodyBytes = 10
                },
                routes: { router in
                    let reads = UnsafeShadow(because: "it only reads")
                    let long: @Sendable (Request) throws -> Response = { _ in Response(text: "longer than ten bytes") }
                    router.migrate("/old", old: long, .shadow(sample: 100, control: 0))
                    router.migrate("/new", new: long, .shadow(sample: 100, control: 0))
                    router.migrate(
                        "/stream", old: { _ in Self.stream(["longer than", "ten bytes"]) }, .shadow(sample: 100, control: 0))
                    let echo: @Sendable (Request) throws -> Response = { Response(body: try $0.body.collect(upTo: 100)) }
                    router.migrate(
                        "/post", styles: StylePair(old: .blocking, new: .blocking), method: .post, old: echo, new: echo,
                        .shadow(sample: 100, control: 0), unsafe: reads)
                    router.migrate("/unread", method: .post, .shadow(sample: 100, control: 0), unsafe: reads)
                }
            ) { live in
                for path in ["/old", "/stream", "/new"] { _ = try live.texts(path, 3) }
                #expect(try eventually { try live.migration("/old").skipped == [.size: 3] })
                #expect(try eventually { try live.migration("/stream").skipped == [.size: 3] })
                #expect(try eventually { try live.migration("/new").parts.first?.candidates ?? 0 > 0 })
                #expect(try live.migration("/new").parts.map(\.part) == [.init(.body)])
                func post(_ path: String, _ body: String) throws {
                    #expect(
                        try live.exchange(
                            "POST \(path) HTTP/1.1\r\nHost: a\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
                        ).status == 200)
                }
                try post("/post", "longer than ten")
                #expect(try eventually { try live.migration("/post").skipped == [.body: 1] })
                try post("/post", "short")
                #expect(try eventually { try live.migration("/post").comparisons[.candidate]?[.match] == 1 })
                try post("/unread", "short")
                #expect(try eventually { try live.migration("/unread").skipped == [.body: 1] })
            }
        }

        @Test
        func `configuration cannot shadow POST`() async throws {
            let runs = Count()
            try await withServer(routes: {
                $0.migrate(
                    "/", method: .post,
                    new: { _ in
                        runs.add(); return Response()
                    }, .percent(0))
            }) { live in
                #expect(throws: MigrationError.self) {
                    try live.migrate { $0.routes = [RouteMigration(.post, "/", .shadow(sample: 100))] }
                }
                for _ in 0..<20 {
                    let answer = try live.exchange("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
                    #expect(answer.text == "old")
                }
                #expect(runs.value == 0)
                #expect(try live.migration().skipped.isEmpty)
            }
        }

        @Test
        func `answers to HEAD, and with a status that allows no body, are compared without their streams`() async throws {
            try await withServer(routes: { router in
                let silent: @Sendable (String) -> Response = { text in
                    Response(status: .noContent, streaming: { try $0.write(Array(text.utf8)) })
                }
                router.migrate(
                    "/silent", old: { _ in silent("old") }, new: { _ in silent("new") }, .shadow(sample: 100, control: 0))
                router.migrate(
                    "/", old: { _ in Self.stream(["old"]) }, new: { _ in Self.stream(["new"]) }, .shadow(sample: 100, control: 0))
            }) { live in
                let client = try live.connect()
                for _ in 0..<5 {
                    try client.send(.head, "/")
                    _ = try client.receiveResponse(to: .head)
                }
                _ = try live.texts("/silent", 5)
                #expect(try live.shadowsEnded())
                for path in ["/", "/silent"] {
                    let report = try live.migration(path)
                    #expect(report.comparisons[.candidate]?[.match] ?? 0 > 0)
                    #expect(report.parts.isEmpty)
                }
            }
        }

        enum Local { @TaskLocal static var user = "nobody" }

        @Test(arguments: StylePair.allCases)
        func `a shadow has the task-locals of its handler, its own mark, and the request`(styles: StylePair) async throws {
            let seen = Collected<String>()
            try await withServer(routes: { router in
                router.use { request, next in try await Local.$user.withValue("ada") { try await next(request) } }
                router.group("/users/{id}") { users in
                    users.migrate(
                        "", styles: styles, old: { _ in Response(text: "\(Shadow.isActive)") },
                        new: { request in
                            seen.add(
                                "\(Local.user) \(Shadow.isActive) \(request.parameters["id"]!) \(request[.init("X-A")!] ?? "-")")
                            Logger.current.notice("in the shadow")
                            return Response(text: "false")
                        }, .shadow(sample: 100, control: 0))
                }
            }) { live in
                #expect(try live.texts("/users/7", headers: [.init("X-A")!: "a"]) == ["false"])
                #expect(eventually { !seen.all.isEmpty })
                #expect(seen.all == ["ada true 7 a"])
                #expect(try live.shadowsEnded())
                let line = try #require(live.log.lines.first)
                #expect(line.metadata["shadow"] == "true")
                #expect(line.metadata["http.route"] == "/users/{id}")
            }
        }

        @Test
        func `a request that middleware answers or replaces is not compared`() async throws {
            try await withServer(routes: { router in
                router.use { request, next in
                    if request[.init("X-Answer")!] != nil { return Response(text: "middleware") }
                    if request[.init("X-Replace")!] != nil { return try await next(Request(path: "/")) }
                    return try await next(request)
                }
                router.migrate("/", .shadow(sample: 100, control: 0))
            }) { live in
                let answer = try live.texts("/", headers: [.init("X-Answer")!: "1"])
                #expect(answer == ["middleware"])
                #expect(try live.texts("/", headers: [.init("X-Replace")!: "1"]) == ["old"])
                #expect(try eventually { try live.migration().skipped == [.middleware: 2] })
            }
        }

        @Test
        func `no shadow runs while the hub has many green threads`() async throws {
            let (waiting, event) = (Count(), Event<Void>())
            try await withServer(
                hubs: .one("counts green threads of the hub"), { $0.maxGreenThreads = 5 },
                routes: { router in
                    router.waiting("/wait", .blocking, for: event, started: waiting)
                    router.migrate("/", styles: StylePair(old: .async, new: .async), .shadow(sample: 100, control: 0))
                }
            ) { live in
                let clients = try (0..<5).map { _ in
                    let client = try live.connect()
                    try client.send(.get, "/wait")
                    return client
                }
                #expect(eventually { waiting.value == 5 })
                let texts = try live.texts("/", 3)
                #expect(texts == ["old", "old", "old"])
                #expect(try eventually { try live.migration().skipped == [.busy: 3] })
                event.send(())
                for client in clients { #expect(try client.receiveResponse().text == "ok") }
            }
        }

        @Test
        func `no shadow runs while turns of the hub are long`() async throws {
            try await withServer(
                hubs: .one("counts turns of the hub"),
                routes: { router in
                    router.get("/hold") { _ async in
                        let end = ContinuousClock.now + .milliseconds(20)
                        while ContinuousClock.now < end {}
                        return Response()
                    }
                    router.migrate("/", .shadow(sample: 100, control: 0))
                }
            ) { live in
                _ = try live.texts("/hold", 10)
                _ = try live.texts("/", 3)
                #expect(try eventually { try live.migration().skipped == [.busy: 3] })
            }
        }

        @Test
        func `a client that goes away ends its sample`() async throws {
            let (begun, event) = (Count(), Event<Void>())
            try await withServer(routes: { router in
                router.migrate(
                    .get, "/",
                    from: { _ in
                        begun.add(); try await event.wait(); return Response()
                    }, to: { _ in Response() },
                    .shadow(sample: 100, control: 0))
            }) { live in
                let client = try live.connect()
                try client.send(.get, "/")
                #expect(eventually { begun.value == 1 })
                #expect(try blockThread { await live.server.migrationReport() }.inFlight == 1)
                try client.close(reset: true)
                #expect(try eventually { try live.migration().skipped == [.cancelled: 1] })
                #expect(try live.shadowsEnded())
            }
        }

        @Test(arguments: Style.allCases)
        func `draining cancels shadows and starts none`(style: Style) async throws {
            let (running, cancelled) = (Count(), Count())
            try await withServer(
                { $0.stopGrace = .seconds(5) },
                routes: { router in
                    let wait: @Sendable () async throws -> Void = {
                        running.add()
                        do { try await sleep(for: .seconds(60)) } catch { cancelled.add(); throw error }
                    }
                    if style == .async {
                        router.migrate(
                            .get, "/", from: { _ in Response() },
                            to: { _ in
                                try await wait(); return Response()
                            }, .shadow(sample: 100, control: 0))
                    } else {
                        router.migrate(
                            .get, "/", from: { _ in Response() },
                            to: { _ in
                                try awaiting { try await wait() }; return Response()
                            }, .shadow(sample: 100, control: 0))
                    }
                }
            ) { live in
                _ = try live.texts("/")
                #expect(eventually { running.value == 1 })
                live.server.stop()
                #expect(eventually { cancelled.value == 1 })
            }
        }
    }
}
