import Logging
import Synchronization
import Tandem
import TandemTesting
import Testing
import Tracing

@testable import TandemHTTP

extension ServerTests {
    struct CurrentLoggerTests {
        private let request = "GET /users/7?q=1 HTTP/1.1\r\nHost: a\r\n\r\n"

        /// Checks the metadata about its request that each line must have.
        private func check(
            _ line: TestLogEntry, route: String? = "/users/{id}", sourceLocation: SourceLocation = #_sourceLocation
        ) {
            #expect(line.metadata["http.request.method"] == "GET", sourceLocation: sourceLocation)
            #expect(line.metadata["http.route"] == route, sourceLocation: sourceLocation)
            #expect(line.metadata["peer"]?.hasPrefix("127.0.0.1:") == true, sourceLocation: sourceLocation)
            #expect(line.metadata["request.id"]?.utf8.count == 16, sourceLocation: sourceLocation)
        }

        @Test(arguments: Style.allCases)
        func `handlers, streams and middleware get the server's logger with the request's fields`(style: Style) async throws {
            try await withServer(routes: { router in
                router.use { request, next in
                    Logger.current.info("async middleware")
                    return try await next(request)
                }
                router.use { request, next in
                    Logger.current.info("blocking middleware")
                    return try next(request)
                }
                router.on(.get, "/users/{id}", style) { _ in
                    Logger.current.info("handler")
                    return style == .blocking
                        ? Response(streaming: {
                            try $0.write([1]); Logger.current.info("stream")
                        })
                        : Response(streaming: {
                            try await $0.write([1]); Logger.current.info("stream")
                        })
                }
            }) { live in
                let client = try live.connect()
                try client.send(request)
                #expect(try client.receiveResponse().status == 200)
                let lines = live.log.lines
                #expect(lines.map(\.message) == ["async middleware", "blocking middleware", "handler", "stream"])
                for line in lines { check(line) }
                #expect(Set(lines.map { $0.metadata["request.id"] }).count == 1)
                #expect(lines[0].metadata["request.id"] == live.logged(1)[0].requestID?.description)
                // Another request, another id.
                try client.send(request)
                #expect(try client.receiveResponse().status == 200)
                #expect(live.log.lines[4].metadata["request.id"] != lines[0].metadata["request.id"])
            }
        }

        @Test(arguments: Style.allCases)
        func `the logger crosses bridges at any depth`(style: Style) async throws {
            @Sendable func down(_ level: Int) async throws {
                Logger.current.info("\(level)")
                guard level < 10 else { return }
                try await sleep(for: .zero)
                try await blocking {
                    Logger.current.info("\(level + 1)")
                    try sleep(for: .zero)
                    try awaiting { try await down(level + 2) }
                }
            }
            try await withServer(routes: { router in
                switch style {
                case .async:
                    router.get("/users/{id}") { _ in
                        try await down(0); return Response(text: "ok")
                    }
                case .blocking:
                    router.get("/users/{id}") { _ in
                        try awaiting { try await down(0) }; return Response(text: "ok")
                    }
                }
            }) { live in
                let client = try live.connect()
                try client.send(request)
                #expect(try client.receiveResponse().status == 200)
                #expect(live.log.lines.map(\.message) == (0...10).map(String.init))
                for line in live.log.lines { check(line) }
            }
        }

        @Test(arguments: Style.allCases)
        func `the logger of a task that outlives its request still names that request`(style: Style) async throws {
            let mayLog = Event<Void>()
            try await withServer(routes: { router in
                router.on(.get, "/users/{id}", style) { request in
                    Logger.current.info("in time")
                    if request.parameters["id"] == "1" {
                        Hub.current!.spawn(name: "late") {
                            try await mayLog.wait()
                            Logger.current.info("late")
                        }
                    } else {
                        mayLog.send(())
                    }
                    return Response(text: "ok")
                }
            }) { live in
                let client = try live.connect()
                for id in 1...2 {
                    try client.send(.get, "/users/\(id)")
                    #expect(try client.receiveResponse().status == 200)
                }
                #expect(eventually { live.log.lines.count == 3 })
                let late = try #require(live.log.entries("late").first)
                let inTime = live.log.entries("in time").map { $0.metadata["request.id"] }
                check(late)
                #expect(late.metadata["request.id"] == inTime[0] && inTime[0] != inTime[1])
            }
        }

        @Test
        func `metadata that code sets on its logger overrides the request's metadata`() async throws {
            try await withServer(routes: { router in
                router.get("/users/{id}") { _ async in
                    withLogger(mergingMetadata: ["http.route": "mine", "own": "1"]) { $0.info("scope") }
                    Logger.current.info("line", metadata: ["peer": "other"])
                    var quiet = Logger.current
                    quiet.logLevel = .error
                    quiet.info("dropped")
                    Logger.current.info("last")
                    return Response(text: "ok")
                }
            }) { live in
                let client = try live.connect()
                try client.send(request)
                #expect(try client.receiveResponse().status == 200)
                #expect(live.log.lines.map(\.message) == ["scope", "line", "last"])
                #expect(live.log.lines[0].metadata["http.route"] == "mine")
                #expect(live.log.lines[1].metadata["peer"] == "other")
                check(live.log.lines[2])
            }
        }

        @Test
        func `log lines have the ids of the client's trace, even without a tracer`() async throws {
            try await withServer(routes: {
                $0.on(.get, "/", .async) { _ in
                    Logger.current.info("here"); return Response(text: "ok")
                }
            }) { live in
                _ = try live.get("/", headers: [.init("traceparent")!: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"])
                #expect(live.log.lines[0].metadata["trace_id"] == "0af7651916cd43dd8448eb211c80319c")
                #expect(live.log.lines[0].metadata["span_id"] == "b7ad6b7169203331")
                #expect(live.logged(1)[0].traceID == "0af7651916cd43dd8448eb211c80319c")
                _ = try live.get("/", headers: [.init("traceparent")!: "00-nonsense-b7ad6b7169203331-01"])
                #expect(live.log.lines[1].metadata["trace_id"] == nil)
                #expect(live.logged(2)[1].traceID == nil)
            }
        }

        @Test
        func `a bound logger is reused unless a copy of it was kept`() throws {
            let peer = Peer(.unix(name: []), draining: Draining(Event()))
            let observation = RequestObservation(TestLog().logger, peer)
            let head = try #require(try RequestHead.parsed("GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
            let kept = Mutex<Logger?>(nil)
            let begin = { observation.begin(head, route: nil, id: RequestID(number: 1), now: 0) }
            withLogger(observation.logger) { _ in
                observation.bind()
                for _ in 0..<2 {
                    begin()
                    Logger.current.info("a line")
                    #expect(observation.end() != nil)
                    #expect(!observation.isKept)
                    #expect(observation.scope.metadata.isEmpty)
                }
                begin()
                kept.withLock { $0 = Logger.current }
                #expect(observation.end() == nil)
                #expect(observation.isKept)
                #expect(!observation.scope.metadata.isEmpty)
            }
            #expect(kept.withLock { $0 } != nil)
        }
    }
}

extension RequestHead {
    fileprivate static func parsed(_ text: String) throws -> RequestHead? {
        var parser = RequestHeadParser(limits: HTTPWireLimits())
        let bytes = Array(text.utf8)
        return try parser.parse(bytes.span.bytes)
    }
}
