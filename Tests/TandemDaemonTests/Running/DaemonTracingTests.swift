import Foundation
import Tandem
import TandemHTTP
import TandemTesting
import Testing

@testable import TandemDaemon

/// The export of spans by the built tandemd.
@Suite(.serialized, .timeLimit(.minutes(2)))
struct DaemonTracingTests {
    private func withDaemon(
        collector port: Int, _ environment: [String: String] = [:],
        _ body: (_ service: TestClient, _ admin: TestClient, Daemon) async throws -> Void
    ) async throws {
        let own = [
            "TANDEM_ADMIN_LISTEN": "127.0.0.1:0", "TANDEM_TRACE_MODE": "start", "TANDEM_LOG_ACCESS_FORMAT": "json",
            "TANDEM_TRACE_OTLP_ENDPOINT": "http://127.0.0.1:\(port)", "TANDEM_TRACE_OTLP_INTERVAL_MS": "20",
        ]
        let daemon = try Daemon("serve", "--port", "0", environment: environment.merging(own) { given, _ in given })
        let service = try await daemon.client()
        let admin = try #require(daemon.errors.firstMatch(of: #/admin listener on http://127\.0\.0\.1:([0-9]+)/#)?.1)
        let adminClient = TestClient(to: .tcp(port: Int(admin)!))
        try await body(service, adminClient, daemon)
        for client in [service, adminClient] { await client.close() }
        daemon.send(SIGTERM)
        #expect(try await daemon.wait() == 0)
    }

    private func metrics(_ admin: TestClient) async throws -> [String: ParsedFamily] {
        let accept = HTTPField(name: .accept, value: "application/openmetrics-text")
        return try parsePrometheus(try await admin.get("/metrics", headers: HTTPFields([accept])).body, openMetrics: true)
    }

    private func exported(_ collector: CollectorStandIn) throws -> [[String: Any]] {
        try collector.requests.flatMap { try spans(try parseOTLP($0.body)) }
    }

    private func accessLog(_ daemon: Daemon) throws -> [[String: Any]] {
        try daemon.output.split(separator: "\n").map {
            try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
        }
    }

    @Test func `ids join the access log, the span at the collector and the metrics`() async throws {
        try await onNewHub { _ in
            let collector = try CollectorStandIn(.accepts)
            try await withDaemon(collector: collector.port) { service, admin, daemon in
                #expect(try await service.get("/blocking/plaintext").status == .ok)
                try await until { !collector.requests.isEmpty && daemon.output.contains("\n") }
                let span = try #require(try exported(collector).first)
                let line = try #require(try accessLog(daemon).first)
                #expect(span["name"] as? String == "GET /blocking/plaintext" && span["kind"] as? Int == 2)
                #expect(span["traceId"] as? String == line["trace_id"] as? String && line["trace_id"] != nil)
                let id = try attributes(span)["request.id"]?["stringValue"] as? String
                #expect(id == line["request_id"] as? String && id != nil)
                // A request whose duration is at the bound of a bucket may have none.
                var exemplars: [[String: String]] = []
                while exemplars.isEmpty {
                    _ = try await service.get("/blocking/plaintext")
                    let durations = try await metrics(admin)["http_server_request_duration_seconds"]
                    exemplars = durations?.samples.compactMap(\.exemplar) ?? []
                }
                let all = try exported(collector)
                for exemplar in exemplars {
                    #expect(
                        all.contains {
                            $0["traceId"] as? String == exemplar["trace_id"] && $0["spanId"] as? String == exemplar["span_id"]
                        })
                }
                let families = try await metrics(admin)
                #expect(families["tandem_trace_spans_exported"]?.value("_total") ?? 0 >= 1)
                // The exporter's own requests are not among the service's fetches.
                #expect(!families.keys.contains { $0.hasPrefix("http_client") || $0.hasPrefix("tandem_client") })
            }
        }
    }

    @Test func `a collector that hangs costs a request no turn, no park and no answer`() async throws {
        try await onNewHub { _ in
            /// Returns the parks and jobs of the serving hub for 300 requests, and the number of dropped spans.
            func cost(_ reaction: CollectorStandIn.Reaction) async throws -> (parks: Double, jobs: Double, dropped: Double) {
                let collector = try CollectorStandIn(reaction)
                var result = (0.0, 0.0, 0.0)
                let limits = ["TANDEM_TRACE_OTLP_QUEUE": "50", "TANDEM_TRACE_OTLP_BATCH": "10"]
                try await withDaemon(collector: collector.port, limits) { service, admin, _ in
                    func request(_ count: Int) async throws {
                        for _ in 0..<count {
                            let answer = try await service.get("/blocking/plaintext")
                            #expect(answer.status == .ok)
                        }
                    }
                    try await request(60)
                    try await until { !collector.requests.isEmpty }
                    let before = try await metrics(admin)
                    try await request(300)
                    let after = try await metrics(admin)
                    func difference(_ name: String) -> Double {
                        (after[name]?.value("_total") ?? -1) - (before[name]?.value("_total") ?? -1)
                    }
                    let dropped = after["tandem_trace_spans_dropped"]?.value("_total", ["reason": "queue_full"]) ?? -1
                    result = (difference("tandem_hub_parks"), difference("tandem_hub_jobs"), dropped)
                }
                return result
            }
            let (works, hangs) = (try await cost(.accepts), try await cost(.hangs))
            #expect(hangs.dropped == 310)
            #expect(abs(hangs.parks - works.parks) <= 5 && abs(hangs.jobs - works.jobs) <= 30)
        }
    }

    @Test func `a stop exports the spans that are left`() async throws {
        try await onNewHub { _ in
            let collector = try CollectorStandIn(.accepts)
            try await withDaemon(collector: collector.port, ["TANDEM_TRACE_OTLP_INTERVAL_MS": "1000000"]) { service, _, _ in
                for _ in 0..<5 { _ = try await service.get("/async/plaintext") }
                #expect(collector.requests.isEmpty)
            }
            #expect(try exported(collector).count == 5)
        }
    }

    @Test func `the token of the headers file is sent, read again by a reload, and never shown`() async throws {
        let file = try TemporaryFile("Authorization: Bearer s3cret-1\n")
        try await onNewHub { _ in
            let collector = try CollectorStandIn(.accepts)
            let environment = ["TANDEM_TRACE_OTLP_HEADERS_FILE": file.path, "TANDEM_LOG_LEVEL": "trace"]
            try await withDaemon(collector: collector.port, environment) { service, _, daemon in
                #expect(try await service.get("/async/plaintext").status == .ok)
                try await until { collector.requests.count == 1 }
                try file.write("Authorization: Bearer s3cret-2\n")
                daemon.send(SIGHUP)
                try await daemon.awaitError("configuration reloaded")
                #expect(try await service.get("/async/plaintext").status == .ok)
                try await until { collector.requests.count == 2 }
                try file.write("s3cret-3\n")
                daemon.send(SIGHUP)
                try await daemon.awaitError("stays in force")
                #expect(daemon.errors.contains("line 1 is not a header field"))
                #expect(!daemon.errors.contains("s3cret") && !daemon.output.contains("s3cret"))
            }
            #expect(collector.requests.map { $0.head.contains("Bearer s3cret-1\n") } == [true, false])
            #expect(collector.requests.map { $0.head.contains("Bearer s3cret-2\n") } == [false, true])
            let check = try Daemon("check-config", environment: ["TANDEM_TRACE_OTLP_HEADERS_FILE": file.path])
            #expect(try await check.wait() == 78)
            #expect(check.errors.contains("TANDEM_TRACE_OTLP_HEADERS_FILE") && !check.errors.contains("s3cret"))
        }
    }
}
