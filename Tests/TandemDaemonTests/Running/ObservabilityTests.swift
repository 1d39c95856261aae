import Foundation
import Tandem
import TandemHTTP
import TandemTesting
import Testing

@testable import TandemDaemon

/// The logs, metrics and health checks of the built tandemd.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct ObservabilityTests {
    /// Runs a daemon with an admin listener while `body` runs, and stops it at the end.
    private func withDaemon(
        _ environment: [String: String] = [:], _ body: (_ service: TestClient, _ admin: TestClient, Daemon) async throws -> Void
    ) async throws {
        let environment = environment.merging(["TANDEM_ADMIN_LISTEN": "127.0.0.1:0"]) { own, _ in own }
        let daemon = try Daemon("serve", "--port", "0", environment: environment)
        let service = try await daemon.client()
        let admin = try #require(daemon.errors.firstMatch(of: #/admin listener on http://127\.0\.0\.1:([0-9]+)/#)?.1)
        try await body(service, TestClient(to: .tcp(port: Int(admin)!)), daemon)
        // A second signal would end the daemon at once.
        if !daemon.errors.contains("stopping") { daemon.send(SIGTERM) }
        #expect(try await daemon.wait() == 0)
    }

    private func objects(_ lines: String) throws -> [[String: Any]] {
        try lines.split(separator: "\n").map {
            try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
        }
    }

    @Test func `the page on observability lists every metric`() async throws {
        let tracing = ["TANDEM_TRACE_MODE": "start", "TANDEM_TRACE_OTLP_ENDPOINT": "http://127.0.0.1:1"]
        try await withDaemon(tracing) { service, admin, _ in
            #expect(try await service.get("/blocking/legacy/sleep?ms=0").status == .ok)
            try await service.withConnection { connection in
                try await connection.send("NONSENSE\r\n\r\n")
                _ = try await connection.receiveUntilEnd()
            }
            let families = try parsePrometheus(try await admin.get("/metrics").body)
            let given = families.values.map { $0.type == "counter" ? $0.name + "_total" : $0.name }
            let page = try readTextFile(packageRoot + "/docs/observability.md", upTo: 1 << 20)
            let rows = page.matches(of: #/\n\| `([a-z_]+)` \| (counter|gauge|histogram) \|/#)
            let documented = rows.map { String($0.1) }
            #expect(Set(documented).count == documented.count)
            #expect(Set(given.filter { !$0.hasPrefix("http_client_") }) == Set(documented))
            for row in rows {
                let name = row.2 == "counter" ? row.1.dropLast(6) : row.1
                #expect(families[String(name)]?.type == String(row.2), "\(name)")
            }
        }
    }

    @Test func `the admin listener serves health and readiness`() async throws {
        try await withDaemon { service, admin, daemon in
            #expect(try await admin.get("/healthz").status == .ok)
            #expect(try await admin.get("/readyz").text == #"{"phase":"serving"}"#)
            #expect(try await admin.get("/debug/hub").text.hasPrefix("tandemd-0: "))
            #expect(try await service.get("/healthz").status == .notFound)
            // The daemon drains while a request is in flight after SIGTERM.
            try await service.withConnection { stream in
                try await stream.send(.get, "/async/stream?chunks=2&bytes=5&ms=300")
                _ = try await stream.receiveHead()
                #expect(try await stream.receivePiece() == Array("....\n".utf8))
                daemon.send(SIGTERM)
                try await daemon.awaitError("stopping")
                let answer = try await admin.get("/readyz")
                #expect(answer.status == .serviceUnavailable, "\(answer.text)")
                #expect([#"{"phase":"leaving"}"#, #"{"phase":"draining"}"#].contains(answer.text), "\(answer.text)")
                while try await stream.receivePiece() != nil {}
            }
        }
    }

    @Test func `without an admin listener the service answers the health check`() async throws {
        let daemon = try Daemon("serve", "--port", "0")
        let client = try await daemon.client()
        #expect(try await client.get("/healthz").status == .ok)
        #expect(try await client.get("/metrics").status == .notFound)
        daemon.send(SIGTERM)
        #expect(try await daemon.wait() == 0)
        #expect(!daemon.errors.contains("admin"))
    }

    @Test func `logs are JSON objects if configured`() async throws {
        let environment = [
            "TANDEM_LOG_FORMAT": "json", "TANDEM_LOG_ACCESS_FORMAT": "json", "TANDEM_TRACE_MODE": "start",
            "TANDEM_TRACE_LOG_SPANS": "true",
        ]
        try await withDaemon(environment) { service, _, daemon in
            #expect(try await service.get("/blocking/plaintext?q=%22%0A").status == .ok)
            while try objects(daemon.output).count < 2 { try await sleep(for: .milliseconds(5)) }
            let lines = try objects(daemon.output)
            let request = try #require(lines.first { $0["type"] as? String == "request" })
            let span = try #require(lines.first { $0["type"] as? String == "span" })
            #expect(
                request["target"] as? String == "/blocking/plaintext?q=%22%0A"
                    && request["route"] as? String == "/blocking/plaintext")
            #expect(request["trace_id"] as? String == span["trace_id"] as? String && span["trace_id"] != nil)
            #expect(span["name"] as? String == "GET /blocking/plaintext")
            for entry in try objects(daemon.errors) {
                #expect(entry["level"] != nil && entry["message"] != nil && entry["time"] != nil)
            }
        }
    }

    @Test func `an admin port in use is reported`() async throws {
        try await withDaemon { _, admin, _ in
            let address = "127.0.0.1:\(admin.port)"
            let second = try Daemon("serve", "--port", "0", environment: ["TANDEM_ADMIN_LISTEN": address])
            #expect(try await second.wait() == 1)
            #expect(second.errors.contains("cannot listen on \(address)") && second.errors.contains("admin.listen"))
        }
    }
}
