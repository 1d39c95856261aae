import InMemoryTracing
import Tandem
import TandemHTTP
import TandemTesting
import Testing
import Tracing

extension ServerTests {
    struct RequestSpansTests {
        /// Returns the spans of a server after it has stopped.
        private func spans(
            hubs: TestHubs = .several, routes: (Router) -> Void, _ body: @escaping @Sendable (Live) throws -> Void
        ) async throws -> [FinishedInMemorySpan] {
            let tracer = InMemoryTracer()
            try await withTracer(tracer) { try await withServer(hubs: hubs, routes: routes, body) }
            #expect(tracer.activeSpans.isEmpty)
            return tracer.finishedSpans
        }

        @Test(arguments: Style.allCases)
        func `a request has a server span with OpenTelemetry's attributes`(style: Style) async throws {
            let spans = try await spans(routes: { $0.on(.get, "/users/{id}", style) { _ in Response(text: "ok") } }) { live in
                _ = try live.get("/users/7?q=1&Signature=secret", headers: [.userAgent: "test"])
            }
            let span = try #require(spans.first)
            #expect(spans.count == 1)
            #expect(span.operationName == "GET /users/{id}")
            #expect(span.kind == .server)
            #expect(span.status == nil && span.errors.isEmpty)
            let expected: [String: SpanAttribute] = [
                "http.request.method": "GET", "http.route": "/users/{id}", "url.path": "/users/7",
                "url.query": "q=1&Signature=REDACTED",
                "url.scheme": "http", "network.protocol.version": "1.1", "server.address": "localhost",
                "user_agent.original": "test",
                "http.response.status_code": 200,
            ]
            for (name, value) in expected { #expect(span.attributes.get(name) == value, "\(name)") }
            guard case .string(let id)? = span.attributes.get("request.id") else { return #expect(Bool(false), "no request.id") }
            #expect(id.wholeMatch(of: /[0-9a-f]{16}/) != nil)
        }

        @Test(arguments: Style.allCases)
        func `a thrown error and a 5xx set the span's status to error, a 4xx does not`(style: Style) async throws {
            struct Broken: Error {}
            let spans = try await spans(
                hubs: .one("spans end in the order of requests"),
                routes: { router in
                    router.on(.get, "/throws", style) { _ in throw Broken() }
                    router.on(.get, "/503", style) { _ in Response(status: .serviceUnavailable, text: "") }
                    router.on(.get, "/400", style) { _ in throw HTTPError(.badRequest, "no") }
                }
            ) { live in
                for path in ["/throws", "/503", "/400", "/nowhere"] { _ = try live.get(path) }
                let client = try live.connect()
                try client.send("BREW /secret HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(try client.receiveResponse().status == 501)
            }
            #expect(spans.map(\.operationName) == ["GET /throws", "GET /503", "GET /400", "GET", "HTTP"])
            #expect(spans.map { $0.status?.code == .error } == [true, true, false, false, true])
            #expect(spans.map(\.errors.count) == [1, 0, 0, 0, 0])
            #expect(spans[0].attributes.get("error.type") == "Broken")
            #expect(spans[1].attributes.get("error.type") == "503")
            #expect(spans[4].attributes.get("http.request.method") == "_OTHER")
            #expect(spans[4].attributes.get("http.request.method_original") == "BREW")
        }

        @Test(arguments: Style.allCases)
        func `a client that goes away ends its span with an error`(style: Style) async throws {
            let never = Event<Void>()
            let started = Count()
            let spans = try await spans(routes: { $0.waiting("/", style, for: never, started: started) }) { live in
                let client = try live.connect()
                try client.send(.get, "/")
                #expect(eventually { started.value == 1 })
                try client.close(reset: true)
                #expect(live.logged(1).count == 1)
            }
            #expect(spans.map { $0.status?.code == .error } == [true])
        }

        @Test(arguments: Style.allCases)
        func `the request's span is the parent of spans in handlers of both styles, across bridges and in streams`(style: Style)
            async throws
        {
            @Sendable func nested() throws {
                try withSpan("blocking 1") { _ in
                    try awaiting {
                        try await withSpan("async 2") { _ in
                            try await sleep(for: .zero)
                            try await blocking {
                                try withSpan("blocking 3") { _ in try sleep(for: .zero) }
                            }
                        }
                    }
                }
            }
            let spans = try await spans(routes: { router in
                switch style {
                case .blocking:
                    router.get("/") { _ in
                        try nested()
                        return Response(streaming: {
                            try $0.write([1]); withSpan("stream") { _ in }
                        })
                    }
                case .async:
                    router.get("/") { _ in
                        try await blocking { try nested() }
                        return Response(streaming: {
                            try await $0.write([1]); withSpan("stream") { _ in }
                        })
                    }
                }
            }) { live in _ = try live.get("/") }
            let byName = Dictionary(uniqueKeysWithValues: spans.map { ($0.operationName, $0.spanContext) })
            let chain = ["GET /", "blocking 1", "async 2", "blocking 3"]
            for (parent, child) in zip(chain, chain.dropFirst()) {
                #expect(byName[child]?.parentSpanID == byName[parent]?.spanID, "\(child)")
            }
            #expect(byName["stream"]?.parentSpanID == byName["GET /"]?.spanID)
            #expect(Set(byName.values.map(\.traceID)).count == 1 && byName.count == 5)
        }

        @Test
        func `requests on one connection are separate traces`() async throws {
            let spans = try await spans(routes: { $0.plain() }) { live in
                let client = try live.connect()
                for _ in 0..<3 {
                    try client.send(.get, "/")
                    #expect(try client.receiveResponse().status == 200)
                }
            }
            #expect(Set(spans.map(\.spanContext.traceID)).count == 3)
            #expect(spans.allSatisfy { $0.spanContext.parentSpanID == nil })
        }

        @Test
        func `a server without tracing makes no spans`() async throws {
            let tracer = InMemoryTracer()
            try await withTracer(tracer) {
                try await withServer({ $0.observing.tracesRequests = false }, routes: { $0.plain() }) { live in
                    _ = try live.get("/")
                }
            }
            #expect(tracer.finishedSpans.isEmpty)
        }
    }
}
