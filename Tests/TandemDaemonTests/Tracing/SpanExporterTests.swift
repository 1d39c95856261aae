import Foundation
import Tandem
import TandemFetch
import TandemHTTP
import TandemTesting
import Testing
import Tracing

@testable import TandemDaemon

@Suite(.serialized, .timeLimit(.minutes(2)))
struct SpanExporterTests {
    /// An exporter that runs on the current hub, with its log.
    private struct Live {
        let exporter: SpanExporter
        let log = TestLog()
        private let running: Task<Void, any Error>

        init(
            port: Int, limit: Int = 2_048, headers: HTTPFields = [:], _ change: (inout SpanExporter.Settings) -> Void = { _ in }
        ) {
            var settings = SpanExporter.Settings(endpoint: SpanExporter.endpoint("http://127.0.0.1:\(port)")!)
            settings.interval = .milliseconds(5)
            settings.retryDelay = .milliseconds(2)
            settings.timeout = .seconds(20)
            change(&settings)
            let exporter = SpanExporter(
                settings, queue: SpanQueue(limit: limit, batch: settings.batch),
                resource: .init(service: "shop", version: "1", host: "h", processID: 1), fetch: FetchConfiguration(),
                headers: headers, logger: log.logger)
            self.exporter = exporter
            running = spawn { await exporter.run() }
        }

        func finish() async { await exporter.finish(running) }

        func add(_ count: Int) { for number in 0..<count { exporter.queue.add(SpanExporterTests.span(UInt64(number) + 1)) } }

        func value(_ name: String, _ labels: String = "") -> Double? {
            for family in exporter.metrics() where family.description.name == "tandem_trace_" + name {
                for sample in family.samples where sample.labels.text == labels {
                    if case .number(let number) = sample.value { return number }
                }
            }
            return nil
        }

        var exported: Double? { value("spans_exported") }
        var failures: Double? { value("exports_failed") }
        func dropped(_ reason: SpanExporter.Drop) -> Double? { value("spans_dropped", #"reason="\#(reason.rawValue)""#) }

        var warnings: [TestLogEntry] { log.entries.filter { $0.level == .warning } }
        var infos: [TestLogEntry] { log.entries.filter { $0.level == .info } }
    }

    private static func span(_ id: UInt64) -> SpanRecord {
        let trace = TraceContext(traceIDHigh: 1, traceIDLow: 2, parentID: id, isSampled: true)
        var span = SpanRecord(name: "x", kind: .server, trace: trace, parentID: nil, began: 1)
        span.ended = 2
        return span
    }

    private func ids(_ collector: CollectorStandIn) throws -> [String] {
        try collector.requests.flatMap { request in
            let object = try #require(try JSONSerialization.jsonObject(with: Data(request.body)) as? [String: Any])
            return try spans(object).map { $0["spanId"] as! String }
        }
    }

    /// A port at which nobody listens.
    private func unusedPort() throws -> Int {
        let listener = try TCPListener(host: "127.0.0.1", port: 0)
        defer { listener.close() }
        return Int(listener.local.port)
    }

    @Test func `every ended span is exported once, in batches, one request at a time`() async throws {
        try await onNewHub { _ in
            let collector = try CollectorStandIn(.accepts)
            let live = Live(port: collector.port, headers: [.authorization: "Bearer secret"]) { $0.batch = 100 }
            for _ in 0..<10 {
                live.add(100)
                try await sleep(for: .milliseconds(3))
            }
            try await until { live.exported == 1_000 }
            #expect(try ids(collector).count == 1_000 && collector.mostActive == 1)
            for request in collector.requests {
                #expect(request.head.hasPrefix("POST /v1/traces HTTP/1.1\n") && request.head.contains("application/json\n"))
                #expect(request.head.contains("Bearer secret\n") && request.head.contains(": shop/1\n"))
                #expect(!request.head.contains("traceparent"))
            }
            #expect(live.log.entries.isEmpty && live.value("queue_length") == 0)
            await live.finish()
        }
    }

    @Test func `a full batch is exported before the interval ends, and a stop exports the rest`() async throws {
        try await onNewHub { _ in
            let collector = try CollectorStandIn(.accepts)
            let live = Live(port: collector.port) { ($0.batch, $0.interval) = (100, .seconds(1_000)) }
            try await sleep(for: .milliseconds(20))
            live.add(150)
            try await until { live.exported == 150 }
            live.add(7)
            try await sleep(for: .milliseconds(20))
            #expect(live.exported == 150)
            await live.finish()
            #expect(live.exported == 157 && live.log.entries.isEmpty)
        }
    }

    @Test func `the exporter obeys Retry-After, and logs one warning and one recovery`() async throws {
        try await onNewHub { _ in
            let collector = try CollectorStandIn(
                .answers("503 Service Unavailable", "", "Retry-After: 1\r\n"), .answers("429 Too Many Requests"),
                .answers("502 Bad Gateway"), .accepts)
            let live = Live(port: collector.port)
            live.add(3)
            try await until { live.exported == 3 }
            let times = collector.requests.map(\.at)
            #expect(times.count == 4 && times[1] - times[0] >= .seconds(1))
            #expect(live.failures == 3 && live.exporter.dropped == 0)
            #expect(live.warnings.count == 1 && live.infos.count == 1)
            #expect(live.warnings[0].metadata["reason"] == "status 503")
            await live.finish()
        }
    }

    private static let misbehaviours: [CollectorStandIn.Reaction] = [
        .closes, .sendsAndCloses(""), .sendsAndCloses("HTTP/1.1 200 O"), .sendsAndCloses("nonsense\r\n\r\n"),
    ]

    @Test(arguments: misbehaviours)
    func `a collector that accepts and vanishes gets the batch again`(reaction: CollectorStandIn.Reaction) async throws {
        try await onNewHub { _ in
            let collector = try CollectorStandIn(reaction, .accepts)
            let live = Live(port: collector.port)
            live.add(3)
            try await until { live.exported == 3 }
            #expect(live.exporter.dropped == 0 && live.warnings.count == 1 && live.infos.count == 1)
            await live.finish()
        }
    }

    @Test(arguments: ["400 Bad Request", "401 Unauthorized", "404 Not Found", "500 Server Error", "301 Moved Permanently"])
    func `a refused batch is not sent again`(status: String) async throws {
        try await onNewHub { _ in
            let collector = try CollectorStandIn(.answers(status, "{}", "Location: /elsewhere\r\n"))
            let live = Live(port: collector.port)
            live.add(3)
            try await until { live.dropped(.refused) == 3 }
            live.add(2)
            try await until { live.dropped(.refused) == 5 }
            #expect(collector.requests.count == 2 && live.failures == 2 && live.warnings.count == 1)
            await live.finish()
        }
    }

    @Test func `spans that a partial success rejects are counted, and logged once`() async throws {
        try await onNewHub { _ in
            let partial = #"{"partialSuccess":{"errorMessage":"no \"rejectedSpans\":9","rejectedSpans":"2"}}"#
            let collector = try CollectorStandIn(.answers("200 OK", partial))
            let live = Live(port: collector.port)
            for round in 1...3 {
                live.add(5)
                try await until { live.exported == Double(3 * round) }
            }
            #expect(live.dropped(.rejected) == 6 && live.failures == 0 && live.warnings.count == 1)
            #expect(live.warnings[0].metadata["answer"]?.contains("errorMessage") == true)
            await live.finish()
        }
    }

    @Test func `a huge answer, or one that is cut, does not undo an export`() async throws {
        try await onNewHub { _ in
            let huge = String(repeating: "x", count: 4 << 20)
            let collector = try CollectorStandIn(
                .answers("200 OK", huge), .sendsAndCloses("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"), .accepts)
            let live = Live(port: collector.port)
            for round in 1...3 {
                live.add(5)
                try await until { live.exported == Double(5 * round) }
            }
            #expect(collector.requests.count == 3 && live.log.entries.isEmpty)
            await live.finish()
        }
    }

    @Test func `an unreachable collector costs spans after all attempts, and one warning`() async throws {
        try await onNewHub { _ in
            let live = Live(port: try unusedPort())
            live.add(5)
            try await until { live.dropped(.failed) == 5 }
            live.add(5)
            try await until { live.dropped(.failed) == 10 }
            #expect(live.failures == 10 && live.warnings.count == 1 && live.infos.isEmpty)
            await live.finish()
        }
    }

    @Test func `a collector that never answers fills the queue, and ending a span never waits`() async throws {
        try await onNewHub { hub in
            let collector = try CollectorStandIn(.hangs)
            let live = Live(port: collector.port, limit: 1_000) { $0.batch = 100 }
            let tracer = W3CTracer(startsTraces: true) { live.exporter.queue.add($0) }
            tracer.startSpan("first", context: .topLevel).end()
            try await until { collector.requests.count == 1 }
            // In both styles: no turn of the hub, no park and no bridge between the first span and the last.
            func endSpans() { for _ in 0..<50_000 { tracer.startSpan("x", context: .topLevel).end() } }
            let before = hub.statistics
            endSpans()
            #expect(hub.statistics.parks == before.parks && hub.statistics.jobs == before.jobs)
            await blocking {
                let before = hub.statistics
                endSpans()
                #expect(hub.statistics.parks == before.parks && hub.statistics.jobs == before.jobs)
            }
            #expect(live.exporter.queue.count == 1_000 && live.dropped(.queueFull) == 99_001)
            // The stop gives up on time.
            let stopwatch = Stopwatch()
            await live.finish()
            #expect(stopwatch.elapsed < .seconds(10))
            #expect(live.exported == 0 && live.dropped(.shutdown) == 1_000)
            #expect(live.warnings.contains { $0.metadata["spans"] == "1000" })
        }
    }

    @Test func `a collector that does not answer in time gets the batch again`() async throws {
        try await onNewHub { _ in
            let collector = try CollectorStandIn(.hangs, .accepts)
            let live = Live(port: collector.port) { $0.timeout = .milliseconds(100) }
            live.add(5)
            try await until { live.exported == 5 }
            #expect(collector.requests.count == 2 && live.failures == 1)
            await live.finish()
        }
    }

    @Test func `exports are neither traced nor counted among fetches`() async throws {
        try await onNewHub { hub in
            let collector = try CollectorStandIn(.accepts)
            let live = Live(port: collector.port)
            let other = SpanQueue(limit: 10, batch: 10)
            await withTracer(W3CTracer(startsTraces: true) { other.add($0) }) {
                let running = spawn { await live.exporter.run() }
                live.add(5)
                try? await until { live.exported == 5 }
                await live.exporter.finish(running)
            }
            #expect(other.count == 0)
            #expect(FetchStatistics(of: hub).connections == 0)
            #expect(!collector.requests[0].head.contains("traceparent"))
            await live.finish()
        }
    }

    @Test func `threads that end spans at once lose none`() async throws {
        let queue = SpanQueue(limit: 1_000_000, batch: 512)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<4 { group.addTask { for id in 1...20_000 { queue.add(Self.span(UInt64(id))) } } }
        }
        var (taken, empty) = (0, 0)
        while empty < 2 {
            var spans = queue.take()
            // Adding a span never allocates.
            #expect(spans.capacity >= queue.limit)
            empty = spans.isEmpty ? empty + 1 : 0
            taken += spans.count
            queue.release(spans.count)
            queue.reuse(&spans)
        }
        #expect(taken == 80_000 && queue.count == 0 && queue.dropped == 0)
    }

    @Test(arguments: [
        ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"), ("https://c.example/", "https://c.example/v1/traces"),
        ("http://c.example/otlp/traces", "http://c.example/otlp/traces"), ("http://u:p@c.example/", nil),
        ("http://c.example/?token=1", nil), ("c.example:4318", nil), ("grpc://c.example", nil),
    ])
    func `an endpoint is a URL without credentials and without a query`(text: String, url: String?) {
        #expect(SpanExporter.endpoint(text)?.text == url)
    }

    @Test func `a file of header fields is read, and an error does not show its text`() throws {
        let good = try TemporaryFile("# token\r\n\r\nAuthorization: Bearer s3cret \nX-Tenant:7\n")
        #expect(try CollectorHeaders.read(good.path) == [.authorization: "Bearer s3cret", HTTPField.Name("X-Tenant")!: "7"])
        for text in ["s3cret", "A b: s3cret", "Host: s3cret", "Content-Length: 5", "X: s3\u{1}cret"] {
            let bad = try TemporaryFile("X-Tenant: 7\n" + text)
            let error = #expect(throws: FileReadingError.self) { try CollectorHeaders.read(bad.path) }
            #expect(error?.message.hasPrefix("line 2") == true && error?.message.contains("s3") == false)
        }
    }
}
