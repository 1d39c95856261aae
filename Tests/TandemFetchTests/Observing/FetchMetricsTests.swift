import CoreMetrics
import HTTPTypes
import InMemoryTracing
import MetricsTestKit
import Tandem
import TandemFetch
import Testing
import Tracing

@Suite(.serialized, .timeLimit(.minutes(1)))
struct FetchMetricsTests {
    let upstream = Upstream()

    private func dimensions(_ method: String, _ rest: (String, String)...) -> [(String, String)] {
        [
            ("http.request.method", method), ("server.address", "127.0.0.1"), ("server.port", "\(upstream.port)"),
            ("url.scheme", "http"),
        ]
            + rest
    }

    @Test(arguments: Style.allCases) func `each request is timed by method, server and outcome`(_ style: Style) async throws {
        let metrics = TestMetrics()
        let (good, missing, broken) = (upstream.url("/fixed"), upstream.url("/nothing"), upstream.url("/hangup"))
        try await onHub { hub in
            try await withMetricsFactory(metrics) {
                for _ in 0..<3 { _ = try await style.get(FetchClient(), good) }
                _ = try await style.execute(FetchClient(), FetchRequest(url: missing, method: .post))
                _ = try await fetchError { try await FetchClient().get(broken) }
            }
            let times = try metrics.expectTimer(
                "http.client.request.duration", dimensions("GET", ("http.response.status_code", "200")))
            #expect(times.values.count == 3 && times.values.allSatisfy { $0 > 0 && $0 < 10_000_000_000 })
            let posts = try metrics.expectTimer(
                "http.client.request.duration", dimensions("POST", ("http.response.status_code", "404")))
            #expect(posts.values.count == 1)
            let errors = try metrics.expectTimer("http.client.request.duration", dimensions("GET", ("error.type", "transfer")))
            #expect(errors.values.count == 1)
            #expect(try metrics.expectMeter("http.client.active_requests", dimensions("GET")).lastValue == 0)
            #expect(
                try metrics.expectMeter("http.client.open_connections").lastValue == Double(FetchStatistics(of: hub).connections))
        }
    }

    @Test func `a client that is not observed has no span, no metric and connections of its own`() async throws {
        let (metrics, tracer) = (TestMetrics(), InMemoryTracer())
        let url = upstream.url("/fixed")
        var configuration = FetchConfiguration()
        configuration.isObserved = false
        let client = FetchClient(configuration: configuration)
        try await onThread {
            try Hub.run {
                try await withMetricsFactory(metrics) {
                    try await withTracer(tracer) {
                        _ = try await client.get(url)
                        #expect(metrics.timers.isEmpty && metrics.meters.isEmpty && metrics.counters.isEmpty)
                        #expect(FetchStatistics(of: Hub.current!).connections == 0)
                        _ = try await FetchClient().get(url)
                        let fetches = FetchStatistics(of: Hub.current!)
                        #expect(fetches.connections == 1 && fetches.reusedConnections == 0)
                    }
                }
            }
        }
        #expect(tracer.popFinishedSpans().count == 1)
    }

    @Test func `waits, refusals and retries are counted`() async throws {
        let metrics = TestMetrics()
        var configuration = FetchConfiguration()
        configuration.maxExchangesPerOrigin = 1
        configuration.maxWaitersPerOrigin = 2
        configuration.retry = RetryPolicy(attempts: 2)
        configuration.retry.baseDelay = .milliseconds(1)
        let client = FetchClient(configuration: configuration)
        try await onHub { hub in
            try await withMetricsFactory(metrics) {
                let answers = (0..<3).map { _ in Event<FetchResponse>() }
                for answer in answers {
                    _ = Style.async.start(hub, client, FetchRequest(url: upstream.url("/slow?n=20")), done: answer)
                }
                try await until { FetchStatistics(of: hub).waiting == 2 }
                let error = try await fetchError { try await client.get(upstream.url("/fixed")) }
                #expect(error?.code == .overloaded)
                for answer in answers { _ = try await answer.wait() }
                _ = try await client.get(upstream.url("/flaky?n=1&how=503&name=a"))
            }
            #expect(try metrics.expectTimer("tandem.client.queue.duration").values.count == 2)
            #expect(try metrics.expectCounter("tandem.client.requests.rejected").values == [1])
            #expect(try metrics.expectCounter("tandem.client.requests.retried").values == [1])
        }
    }

    /// Strangers may choose the origins.
    @Test func `origins beyond the hundredth share one label`() async throws {
        let metrics = TestMetrics()
        try await onHub { _ in
            try await withMetricsFactory(metrics) {
                for port in 1...110 { _ = try await fetchError { try await FetchClient().get("http://127.0.0.1:\(port)/") } }
            }
            let other = [
                ("http.request.method", "GET"), ("server.address", "other"), ("url.scheme", "http"),
                ("error.type", "couldNotConnect"),
            ]
            #expect(try metrics.expectTimer("http.client.request.duration", other).values.count == 10)
        }
    }
}
