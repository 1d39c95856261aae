import CoreMetrics
import Foundation
import Testing

@testable import TandemDaemon

/// The exposition, as read by Prometheus's own parser.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct ExpositionTests {
    @Test(arguments: [false, true])
    func `hostile labels survive the round trip`(openMetrics: Bool) throws {
        let registry = MetricsRegistry()
        let hostile = ["a\\b", "\"", "x\ny", "é\u{1F600}", "", "\\n", "a\",b=\"c", "# HELP", "{}", "\u{2028}"]
        for value in hostile {
            registry.makeCounter(label: "c", dimensions: [("v", value), ("le", "9"), ("1.x", "y")]).increment(by: 1)
        }
        let text = Exposition.text(registry.snapshot(), openMetrics ? .openMetrics : .prometheus)
        let family = try #require(try parsePrometheus(text, openMetrics: openMetrics)["c"])
        #expect(Set(family.samples.map { $0.labels["v"] ?? "" }) == Set(hostile))
        #expect(family.samples.allSatisfy { $0.labels["exported_le"] == "9" && $0.labels["key_1_x"] == "y" })
        #expect(family.type == "counter")
    }

    @Test(arguments: [false, true])
    func `the parser reads every kind of metric`(openMetrics: Bool) throws {
        let registry = MetricsRegistry()
        registry.makeTimer(label: "http.server.request.duration", dimensions: [("http.route", "/a/{b}")]).recordNanoseconds(
            3_000_000)
        registry.makeMeter(label: "m", dimensions: []).set(-1.5)
        registry.makeRecorder(label: "http.server.request.body.size", dimensions: [], aggregate: true).record(
            Int64(9_999_999_999))
        registry.makeCounter(label: "c", dimensions: []).increment(by: .max)
        registry.makeMeter(label: "nan", dimensions: []).set(Double.nan)
        registry.makeMeter(label: "inf", dimensions: []).set(-Double.infinity)
        let families = try parsePrometheus(
            Exposition.text(registry.snapshot() + ProcessMetrics.families(), openMetrics ? .openMetrics : .prometheus),
            openMetrics: openMetrics)
        let duration = try #require(families["http_server_request_duration_seconds"])
        #expect(duration.type == "histogram")
        #expect(duration.value("_count", ["http_route": "/a/{b}"]) == 1)
        #expect(duration.value("_sum") == 0.003)
        if openMetrics { #expect(duration.unit == "seconds") }
        #expect(families["m"]?.value() == -1.5)
        #expect(families["http_server_request_body_size_bytes"]?.value("_bucket", ["le": "+Inf"]) == 1)
        #expect(families["c"]?.value("_total") == Double(Int64.max))
        #expect(families["nan"]?.value()?.isNaN == true)
        #expect(families["inf"]?.value() == -.infinity)
    }

    @Test func `a client gets OpenMetrics when it asks for it`() {
        let accept =
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;q=0.5"
        #expect(Exposition.Format(accepting: accept) == .openMetrics)
        #expect(Exposition.Format(accepting: "text/plain") == .prometheus)
        #expect(Exposition.Format(accepting: nil) == .prometheus)
        #expect(Exposition.text([], .openMetrics) == Array("# EOF\n".utf8))
    }

    @Test func `every metric that the libraries record has a help text, and no other has one`() throws {
        var recorded: Set<String> = []
        let sources = packageRoot + "Sources/"
        for path in try FileManager.default.subpathsOfDirectory(atPath: sources) where path.hasSuffix(".swift") {
            let text = try String(contentsOfFile: sources + path, encoding: .utf8)
            let labels = text.matches(of: /make(?:Counter|FloatingPointCounter|Meter|Recorder|Timer)\(\s*label: "([^"]+)"/)
            recorded.formUnion(labels.map { String($0.1) })
        }
        #expect(recorded == Set(MetricDescription.known.keys))
    }

    @Test func `the exposition contains the metrics of the process`() throws {
        let families = try parsePrometheus(Exposition.text(ProcessMetrics.families(), .prometheus))
        for name in [
            "process_resident_memory_bytes", "process_open_fds", "process_max_fds", "process_start_time_seconds",
            "process_threads",
        ] {
            #expect(try #require(families[name]?.value()) > 0, "\(name)")
        }
        #expect(try #require(families["process_cpu_seconds"]?.value("_total")) >= 0)
        #expect(try #require(families["process_start_time_seconds"]?.value()) > 1.6e9)
    }
}
