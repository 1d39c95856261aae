import HTTPTypes
import InMemoryTracing
import Tandem
import TandemFetch
import Testing
import Tracing

@Suite(.serialized, .timeLimit(.minutes(1)))
struct FetchSpanTests {
    let upstream = Upstream()
    let client = FetchClient()

    @Test(arguments: Style.allCases) func `a request has a client span, whose context is sent to the server`(_ style: Style)
        async throws
    {
        let tracer = InMemoryTracer()
        let url = upstream.url("/echo?q=1&sig=secret#part").replacing("http://", with: "http://me:secret@")
        let text = try await onHub { _ in try await withTracer(tracer) { try await style.get(client, url).text } }
        let span = try #require(tracer.popFinishedSpans().first)
        #expect(span.operationName == "GET" && span.kind == .client && span.status == nil)
        #expect(span.attributes["http.request.method"]?.toSpanAttribute() == .string("GET"))
        #expect(span.attributes["server.address"]?.toSpanAttribute() == .string("127.0.0.1"))
        #expect(span.attributes["server.port"]?.toSpanAttribute() == .int64(Int64(upstream.port)))
        #expect(span.attributes["http.response.status_code"]?.toSpanAttribute() == .int64(200))
        let shown = upstream.url("/echo?q=1&sig=REDACTED").replacing("http://", with: "http://REDACTED:REDACTED@")
        #expect(span.attributes["url.full"]?.toSpanAttribute() == .string(shown))
        #expect(text.contains("GET /echo?q=1&sig=secret\n"))
        #expect(
            text.contains("\(InMemoryTracer.traceIDKey): \(span.traceID)")
                && text.contains("\(InMemoryTracer.spanIDKey): \(span.spanID)"))
    }

    /// For any number of bridges between the span and the fetch, in either style.
    @Test(arguments: Style.allCases, [0, 1, 2, 5]) func `the caller's span is the parent across bridges`(
        _ style: Style, _ bridges: Int
    ) async throws {
        let tracer = InMemoryTracer()
        let url = upstream.url("/fixed")
        @Sendable func asynchronous(_ bridges: Int) async throws {
            if bridges == 0 { _ = try await client.get(url) } else { try await blocking { try synchronous(bridges - 1) } }
        }
        @Sendable func synchronous(_ bridges: Int) throws {
            if bridges == 0 { _ = try client.get(url) } else { try awaiting { try await asynchronous(bridges - 1) } }
        }
        try await onHub { _ in
            try await withTracer(tracer) {
                try await withSpan("the caller") { _ in
                    switch style {
                    case .async: try await asynchronous(bridges)
                    case .blocking: try await blocking { try synchronous(bridges) }
                    }
                }
            }
        }
        let spans = tracer.popFinishedSpans()
        #expect(spans.map(\.operationName) == ["GET", "the caller"])
        #expect(spans.first?.parentSpanID == spans.last?.spanID && spans.first?.traceID == spans.last?.traceID)
    }

    @Test func `each redirect and each retry has its own span`() async throws {
        let tracer = InMemoryTracer()
        var configuration = FetchConfiguration()
        configuration.retry = RetryPolicy(attempts: 3)
        configuration.retry.baseDelay = .milliseconds(1)
        let client = FetchClient(configuration: configuration)
        var request = FetchRequest(url: upstream.url("/redirect?n=302&to=/flaky?n=2%26how=503%26name=a"))
        request.followRedirects = 1
        try await onHub { [request] _ in try await withTracer(tracer) { _ = try await client.execute(request) } }
        let spans = tracer.popFinishedSpans()
        #expect(
            spans.map { $0.attributes["http.response.status_code"]?.toSpanAttribute() } == [
                .int64(302), .int64(503), .int64(503), .int64(200),
            ])
        #expect(spans.map { $0.attributes["http.request.resend_count"]?.toSpanAttribute() } == [nil, nil, .int64(1), .int64(2)])
        #expect(spans[1].status?.code == .error)
    }

    @Test func `a span records failures and cancels`() async throws {
        let tracer = InMemoryTracer()
        try await onHub { hub in
            try await withTracer(tracer) {
                _ = try await fetchError { try await client.get("http://127.0.0.1:1/") }
                let task = hub.spawn { try await client.get(upstream.url("/silent")) }
                try await until { FetchStatistics(of: hub).transfers == 1 }
                task.cancel()
                _ = await task.result
            }
        }
        let spans = tracer.popFinishedSpans()
        #expect(
            spans.map { $0.attributes["error.type"]?.toSpanAttribute() } == [.string("couldNotConnect"), .string("cancelled")])
        #expect(spans.allSatisfy { $0.status?.code == .error && $0.errors.count == 1 } && tracer.activeSpans.isEmpty)
    }
}
