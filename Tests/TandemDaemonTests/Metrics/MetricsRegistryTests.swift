import CoreMetrics
import Foundation
import Testing

@testable import TandemDaemon

@Suite(.timeLimit(.minutes(1)))
struct MetricsRegistryTests {
    private func text(_ registry: MetricsRegistry, _ format: Exposition.Format = .prometheus) -> String {
        String(decoding: Exposition.text(registry.snapshot(), format), as: UTF8.self)
    }

    @Test(arguments: [
        ("http.server.request.duration", true, "http_server_request_duration_seconds"), ("job-time", true, "job_time_seconds"),
        ("request.duration.seconds", true, "request_duration_seconds"),
        ("http.server.request.body.size", false, "http_server_request_body_size_bytes"),
        ("a..b", false, "a_b"), ("9lives", false, "_9lives"), ("requests_total", false, "requests"), ("é", false, "_"),
        ("http.server.active_requests", false, "http_server_active_requests"),
    ])
    func `metric names follow the rules of OpenTelemetry`(label: String, isTimer: Bool, name: String) {
        #expect(MetricDescription(of: label, isTimer: isTimer).name == name)
    }

    @Test func `the same label and dimensions give the same series`() {
        let registry = MetricsRegistry()
        registry.makeCounter(label: "a", dimensions: [("x", "1"), ("y", "2")]).increment(by: 2)
        registry.makeCounter(label: "a", dimensions: [("y", "2"), ("x", "1")]).increment(by: 3)
        registry.makeFloatingPointCounter(label: "a", dimensions: [("x", "1"), ("y", "2")]).increment(by: 0.5)
        #expect(text(registry) == "# HELP a_total a\n# TYPE a_total counter\na_total{x=\"1\",y=\"2\"} 5.5\n")
    }

    @Test func `labels with the same Prometheus name form one family`() {
        let registry = MetricsRegistry()
        registry.makeCounter(label: "a.b", dimensions: [("x", "1")]).increment(by: 1)
        registry.makeCounter(label: "a_b", dimensions: [("x", "2")]).increment(by: 2)
        #expect(
            text(registry)
                == "# HELP a_b_total a.b\n# TYPE a_b_total counter\na_b_total{x=\"1\"} 1\na_b_total{x=\"2\"} 2\n")
    }

    @Test func `a second kind of the same name is not shown`() {
        let registry = MetricsRegistry()
        registry.makeCounter(label: "a", dimensions: []).increment(by: 1)
        registry.makeMeter(label: "a", dimensions: [("x", "1")]).set(Int64(7))
        registry.makeTimer(label: "a", dimensions: []).recordNanoseconds(1)
        #expect(text(registry).contains("a_total 1\n"))
        #expect(!text(registry).contains(" 7\n") && !text(registry).contains("gauge"))
    }

    @Test func `a counter ignores negative amounts and amounts that are not finite`() {
        let registry = MetricsRegistry()
        let counter = registry.makeFloatingPointCounter(label: "c", dimensions: [])
        for amount in [-1, .nan, .infinity, 0, 1.5] { counter.increment(by: amount) }
        registry.makeCounter(label: "c", dimensions: []).increment(by: -5)
        let histogram = registry.makeRecorder(label: "h", dimensions: [], aggregate: true)
        for value in [Double.nan, .infinity, 3] { histogram.record(value) }
        #expect(text(registry).contains("c_total 1.5\n"))
        #expect(text(registry).contains("h_sum 3\nh_count 1\n"))
    }

    @Test func `a histogram counts cumulatively`() {
        let registry = MetricsRegistry()
        let timer = registry.makeTimer(label: "t", dimensions: [("a", "b")])
        for milliseconds in [0, 1, 5, 6, 20_000] as [Int64] { timer.recordNanoseconds(milliseconds * 1_000_000) }
        let text = text(registry)
        for (bound, count) in [("0.0001", 1), ("0.001", 2), ("0.005", 3), ("0.01", 4), ("10", 4), ("+Inf", 5)] {
            #expect(text.contains("t_seconds_bucket{le=\"\(bound)\",a=\"b\"} \(count)\n"), "\(bound)")
        }
        #expect(text.contains("t_seconds_sum{a=\"b\"} 20.012\n") && text.contains("t_seconds_count{a=\"b\"} 5\n"))
    }

    @Test func `gauges go up and down`() {
        let registry = MetricsRegistry()
        let meter = registry.makeMeter(label: "m", dimensions: [])
        meter.increment(by: 3)
        meter.decrement(by: 1)
        registry.makeRecorder(label: "g", dimensions: [], aggregate: false).record(Int64(-4))
        #expect(text(registry).contains("m 2\n") && text(registry).contains("g -4\n"))
    }

    @Test func `a series is removed with its last handler`() {
        let registry = MetricsRegistry()
        let (first, second) = (registry.makeCounter(label: "a", dimensions: []), registry.makeCounter(label: "a", dimensions: []))
        first.increment(by: 1)
        registry.destroyCounter(first)
        #expect(text(registry).contains("a_total 1"))
        registry.destroyCounter(second)
        #expect(text(registry).isEmpty)
    }

    @Test func `concurrent increments are all counted`() {
        let registry = MetricsRegistry()
        DispatchQueue.concurrentPerform(iterations: 8) { _ in
            let counter = registry.makeCounter(label: "c", dimensions: [])
            let meter = registry.makeMeter(label: "m", dimensions: [])
            let histogram = registry.makeRecorder(label: "h", dimensions: [], aggregate: true)
            for _ in 0..<10_000 {
                counter.increment(by: 1)
                meter.increment(by: 0.5)
                histogram.record(Int64(7))
            }
        }
        let text = text(registry)
        #expect(text.contains("c_total 80000\n") && text.contains("m 40000\n"))
        #expect(text.contains("h_sum 560000\nh_count 80000\n"))
    }
}
