import Foundation
import Glibc
import HTTPTypes
import Synchronization
import Tandem
import TandemTesting
import Testing

@testable import TandemDaemon

/// Migrating routes of the built tandemd: configuration, reloads, metrics, `/debug/migration`.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct DaemonMigrationTests {
    private func file(_ routes: String..., other: String = "") throws -> TemporaryFile {
        try TemporaryFile(Self.yaml(routes, other))
    }

    private static func yaml(_ routes: [String], _ other: String = "") -> String {
        "log:\n  access: false\nmigrate:\n\(other)  routes: [\(routes.map { "\"\($0)\"" }.joined(separator: ", "))]\n"
    }

    /// Starts tandemd with an admin listener on a unix socket.
    private func start(_ file: TemporaryFile, _ directory: TemporaryDirectory) throws -> Daemon {
        try Daemon(
            ["serve", "--port", "0", "--hubs", "2", "--config", file.path],
            environment: ["TANDEM_ADMIN_LISTEN": "unix:\(directory.path)/admin"])
    }

    private func migration(_ admin: TestClient, _ route: String) async throws -> [String: Any] {
        let answer = try await admin.get("/debug/migration")
        #expect(answer.headers[.contentType] == "application/json")
        let object = try JSONSerialization.jsonObject(with: Data(answer.body)) as? [String: Any]
        let routes = try #require(object?["routes"] as? [[String: Any]])
        return try #require(routes.first { $0["route"] as? String == route })
    }

    @Test func `SIGHUP moves a route from 0 to 100 percent and back under load without a failed request`() async throws {
        let (file, directory) = (try file("GET /moved/style percent 0"), TemporaryDirectory())
        let daemon = try start(file, directory)
        let client = try await daemon.client()
        let admin = TestClient(to: .unix(directory.path + "/admin"))
        let (stop, failed, answered) = (Event<Void>(), Event<String>(), Counter())
        // Clients that keep their connections, and check every answer.
        let port = try await daemon.port()
        let clients = (0..<4).map { _ in
            Task {
                let client = TestClient(to: .tcp(port: port))
                while stop.outcome == nil {
                    let answer = try await client.get("/moved/style")
                    let styles = [#"{"style":"blocking","ready":true}"#, #"{"ready":true,"style":"async"}"#]
                    if answer.status != .ok || !styles.contains(answer.text) { failed.send("\(answer.status) \(answer.text)") }
                    answered.add()
                }
                await client.close()
            }
        }
        func tenants() async throws -> Set<Int> {
            var new: Set<Int> = []
            for tenant in 0..<100 {
                let answer = try await client.get("/moved/style", headers: [.init("X-Tenant")!: "t\(tenant)"])
                if answer.text.contains("async") { new.insert(tenant) }
            }
            return new
        }
        var before: Set<Int> = []
        var reloads = 0
        for share in ["5", "50", "100", "0"] {
            try file.write(Self.yaml(["GET /moved/style percent \(share) by=header:X-Tenant"]))
            daemon.send(SIGHUP)
            reloads += 1
            while daemon.errors.components(separatedBy: "configuration reloaded").count <= reloads {
                try await Task.sleep(for: .milliseconds(5))
            }
            let now = try await tenants()
            #expect(share == "0" ? now.isEmpty : before.isSubset(of: now), "buckets only grow")
            if share == "100" { #expect(now.count == 100) }
            let answers = answered.value
            while answered.value < answers + 20 { try await Task.sleep(for: .milliseconds(2)) }
            before = now
        }
        stop.send(())
        for client in clients { try await client.value }
        #expect(failed.outcome == nil)
        let families = try parsePrometheus(try await admin.get("/metrics").body)
        let route = ["http_route": "/moved/style", "http_request_method": "GET"]
        func requests(_ handler: String, _ style: String) -> Double {
            families["tandem_migration_requests"]?.value(
                "_total", route.merging(["handler": handler, "style": style, "chosen_by": "share"]) { $1 }) ?? 0
        }
        #expect(requests("old", "blocking") > 0)
        #expect(requests("new", "async") > 0)
        #expect(requests("old", "blocking") + requests("new", "async") == Double(answered.value + 400))
        #expect(families["tandem_migration_share_ratio"]?.value("", route) == 0)
        daemon.send(SIGTERM)
        #expect(try await daemon.wait() == 0)
        #expect(!daemon.errors.contains("level=error"))
    }

    @Test func `shadows are compared, and the report and the metrics say so`() async throws {
        let (file, directory) = (try file("GET /moved/style shadow 100 control=50"), TemporaryDirectory())
        let daemon = try start(file, directory)
        let client = try await daemon.client()
        let admin = TestClient(to: .unix(directory.path + "/admin"))
        let route = ["http_route": "/moved/style", "http_request_method": "GET"]
        var ignored = 0.0
        while ignored < 20 {
            for _ in 0..<40 { #expect(try await client.get("/moved/style").text.contains("blocking")) }
            let families = try parsePrometheus(try await admin.get("/metrics").body)
            func comparisons(_ run: String, _ result: String) -> Double? {
                families["tandem_migration_comparisons"]?.value("_total", route.merging(["run": run, "result": result]) { $1 })
            }
            ignored = comparisons("candidate", "ignored") ?? 0
            #expect(comparisons("candidate", "differs") == nil)
            #expect(comparisons("candidate", "match") == nil)
            #expect(comparisons("control", "match") ?? 0 >= 0)
            #expect(
                families["tandem_migration_differences"]?.value(
                    "_total", route.merging(["run": "candidate", "part": "body"]) { $1 }) == 0)
            if ignored > 0 {
                #expect(
                    families["tandem_migration_duration_seconds"]?.value("_count", route.merging(["run": "candidate"]) { $1 })
                        ?? 0 > 0)
            }
        }
        let report = try await migration(admin, "/moved/style")
        #expect(report["mode"] as? String == "shadow 100 control=50")
        #expect(report["rolledBack"] as? Bool == false)
        #expect(report["verdict"] as? String == "needs-data")
        #expect(report["oldStyle"] as? String == "blocking")
        #expect(report["newStyle"] as? String == "async")
        let reason = try #require((report["ignored"] as? [[String: Any]])?.first)
        #expect(reason["part"] as? String == "body /style")
        #expect(reason["because"] as? String == "it names the handler")
        #expect((report["durations"] as? [String: [String: Int]])?["control"]?["count"] ?? 0 > 0)
        #expect((report["parts"] as? [Any])?.isEmpty == true)

        // The kill switch.
        try file.write(Self.yaml(["GET /moved/style new"], "  enabled: false\n"))
        daemon.send(SIGHUP)
        try await daemon.awaitError("configuration reloaded")
        #expect(daemon.errors.contains(#"changed="migrate.enabled, migrate.routes""#))
        #expect(try await client.get("/moved/style").text.contains("blocking"))
        daemon.send(SIGTERM)
        #expect(try await daemon.wait() == 0)
    }

    @Test(arguments: [
        ("GET /moved/stile new", "there is no route GET /moved/stile; did you mean GET /moved/style?"),
        ("GET /async/plaintext new", "the route GET /async/plaintext has one handler"),
        ("POST /moved/echo shadow 1", "POST is not a safe method"),
        ("GET /moved/style sometimes", "expected a list of routes"),
    ])
    func `a wrong item ends the start with 78, and refuses a reload`(item: String, problem: String) async throws {
        let wrong = try file(item)
        for command in ["serve", "check-config", "routes"] {
            let daemon = try Daemon([command, "--config", wrong.path] + (command == "serve" ? ["--port", "0"] : []))
            #expect(try await daemon.wait() == 78)
            #expect(daemon.errors.contains(problem), "\(daemon.errors)")
            #expect(daemon.errors.contains("\(wrong.path):4: migrate.routes"), "\(daemon.errors)")
        }
        let good = try file("GET /moved/style new")
        let daemon = try Daemon("serve", "--port", "0", "--config", good.path)
        let client = try await daemon.client()
        try good.write(Self.yaml([item]))
        daemon.send(SIGHUP)
        try await daemon.awaitError("stays in force")
        #expect(daemon.errors.contains("place=\(good.path):4 "))
        #expect(try await client.get("/moved/style").text.contains("async"))
        daemon.send(SIGTERM)
        #expect(try await daemon.wait() == 0)
    }

    @Test func `the command routes shows the mode that is in force`() async throws {
        let file = try file("GET /moved/style shadow 5", "POST /moved/echo percent 12.5 by=cookie:s")
        let routes = try Daemon("routes", "--config", file.path)
        #expect(try await routes.wait() == 0)
        #expect(routes.output.contains("/moved/style                 blocking to async: shadow 5 control=10\n"))
        #expect(routes.output.contains("/moved/echo                  blocking to async: percent 12.5 by=cookie:s\n"))
        #expect(routes.output.contains("/moved/plaintext             blocking to async: old\n"))
        let off = try Daemon(["routes", "--config", file.path], environment: ["TANDEM_MIGRATE_ENABLED": "false"])
        #expect(try await off.wait() == 0)
        #expect(off.output.contains("blocking to async: old (migrate.enabled is false)\n"))
    }
}

private final class Counter: Sendable {
    private let number = Mutex(0)
    var value: Int { number.withLock { $0 } }
    func add() { number.withLock { $0 += 1 } }
}
