import Foundation
import TandemFetch
import TandemHTTP
import TandemTesting
import Testing

@testable import TandemDaemon

/// The endpoints under /blocking/legacy, whose code calls libc, in a tandemd process: the process of the tests is not patched.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct LegacyHandlersTests {
    /// Runs a daemon with one hub.
    private func withLegacy(
        _ arguments: [String] = [], _ environment: [String: String] = [:], _ body: (TestClient, Daemon) async throws -> Void
    ) async throws {
        let daemon = try Daemon(["serve", "--port", "0", "--hubs", "1"] + arguments, environment: environment)
        let client = try await daemon.client()
        try await body(client, daemon)
        await client.close()
    }

    /// Asks the daemon for a dump of its hub.
    private func newDump(of daemon: Daemon) async throws -> String {
        let mark = "supervisor-0: "
        let count = daemon.errors.components(separatedBy: mark).count
        daemon.send(SIGUSR1)
        while daemon.errors.components(separatedBy: mark).count == count { try await Task.sleep(for: .milliseconds(5)) }
        return daemon.errors.components(separatedBy: mark)[count - 1]
    }

    @Test(arguments: ["sleep", "foundation", "curl-easy"])
    func `a hundred requests wait at the same time on one hub`(endpoint: String) async throws {
        try await withLegacy { client, daemon in
            let stopwatch = Stopwatch()
            try await withThrowingTaskGroup(of: TestResponse.self) { group in
                for _ in 0..<100 {
                    group.addTask {
                        endpoint == "sleep"
                            ? try await client.legacy("sleep?ms=200")
                            : try await client.fetch(endpoint, client.origin + "/async/sleep?ms=200")
                    }
                }
                for try await response in group { #expect(response.status == .ok && response.text == "ok") }
            }
            // One after the other they take 20 seconds.
            #expect(stopwatch.elapsed >= .milliseconds(200) && stopwatch.elapsed < .seconds(5), "\(stopwatch.elapsed)")
            #expect(!daemon.errors.contains("legacy.patch"), "\(daemon.errors)")
        }
    }

    @Test func `without the patch a call holds the hub, and the watchdog names it`() async throws {
        try await withLegacy([], ["TANDEM_LEGACY_PATCH": "false"]) { client, daemon in
            async let sleeping = client.legacy("sleep?ms=600").text
            try await daemon.awaitError("has held the hub")
            let stopwatch = Stopwatch()
            // The hub was held for 100 ms when the report began.
            #expect(try await client.get("/async/plaintext").status == .ok)
            #expect(stopwatch.elapsed >= .milliseconds(100), "\(stopwatch.elapsed)")
            #expect(try await sleeping == "ok")
            try await daemon.awaitError("nanosleep in libc")
            #expect(daemon.errors.contains("\"GET /blocking/legacy/sleep\" has held the hub"))
        }
    }

    @Test func `wrong parameters get 400`() async throws {
        try await withLegacy { client, daemon in
            for target in ["sleep", "sleep?ms=-1", "sleep?ms=600001", "sleep?ms=x", "foundation", "curl-easy"] {
                #expect(try await client.legacy(target).status == .badRequest, "\(target)")
            }
            for endpoint in ["foundation", "curl-easy"] {
                for url in ["nonsense", "file:///etc/passwd", "http://2130706433:\(client.port)/", "http://u@localhost/"] {
                    let response = try await client.fetch(endpoint, url)
                    #expect(response.status == .badRequest && response.text.hasPrefix("the URL is refused: "), "\(url)")
                }
            }
        }
    }

    @Test(arguments: ["foundation", "curl-easy"]) func `a URL outside the allow-list gets 403`(endpoint: String) async throws {
        try await withLegacy { client, daemon in
            for url in ["http://example.com/", "http://169.254.169.254/", "http://127.0.0.1:1/"] {
                let response = try await client.fetch(endpoint, url)
                #expect(response.status == .forbidden && response.text.hasPrefix("the URL is refused: "), "\(url)")
            }
        }
    }

    @Test func `Foundation fetches only from this machine, and short answers of the service itself`() async throws {
        let listed = ["--fetch-allow", "http://192.0.2.1", "--fetch-allow", "http://name.example"]
        try await withLegacy(listed) { client, daemon in
            for url in [
                "http://192.0.2.1/", "http://name.example/", client.origin + "/async/stream?chunks=1&bytes=1&ms=0",
                client.origin + "/async/fetch?url=" + client.origin + "/async/json", client.origin + "/async/sleep/../stream",
            ] {
                let response = try await client.fetch("foundation", url)
                #expect(response.status == .forbidden && response.text.contains("Data(contentsOf:)"), "\(url)")
            }
            for origin in [client.origin, "http://127.0.0.1:\(client.port)"] {
                #expect(try await client.fetch("foundation", origin + "/async/plaintext").text == "Hello, World!")
            }
        }
    }

    @Test func `libcurl does not connect to the private address of a name`() async throws {
        let name = ProcessInfo.processInfo.hostName
        guard let host = URLHost(name), case .name(let ownName) = host, ownName != "localhost", resolvesToPrivate(ownName) else {
            return
        }
        try await withLegacy(["--fetch-allow", "http://\(ownName):9"]) { client, daemon in
            let response = try await client.fetch("curl-easy", "http://\(ownName):9/")
            #expect(response.status == .forbidden, "\(response.text)")
        }
    }

    @Test func `a dead upstream gives 502, a slow one 504`() async throws {
        try await withLegacy(["--fetch-allow", "http://127.0.0.1:1"], ["TANDEM_FETCH_TIMEOUT_MS": "200"]) { client, daemon in
            for endpoint in ["foundation", "curl-easy"] {
                let dead = try await client.fetch(endpoint, "http://127.0.0.1:1/")
                #expect(dead.status == .badGateway && dead.text.hasPrefix("the fetch failed: "), "\(dead.text)")
                let slow = try await client.fetch(endpoint, client.origin + "/async/sleep?ms=60000")
                #expect(slow.status == .gatewayTimeout && slow.text.hasPrefix("the fetch failed: "), "\(slow.text)")
            }
        }
    }

    @Test func `libcurl relays status, type and body, follows no redirect, and stops at 1 MiB`() async throws {
        try await withUpstream(routes: { router in
            router.get("/away") { _ async in Response(status: .found, headers: [.location: "http://169.254.169.254/"]) }
        }) { upstream async throws in
            let origin = "http://127.0.0.1:\(upstream)"
            try await withLegacy(["--fetch-allow", origin]) { client, daemon in
                let json = try await client.fetch("curl-easy", client.origin + "/async/json")
                #expect(json.headers[.contentType] == "application/json" && json.headers[.xContentTypeOptions] == "nosniff")
                #expect(try await client.fetch("curl-easy", client.origin + "/nowhere").status == .notFound)
                let away = try await client.fetch("curl-easy", origin + "/away")
                #expect(away.status == .found && away.headers[.location] == nil)
                for (chunks, status) in [(16, 200), (17, 502)] {
                    let target = "/async/stream?chunks=\(chunks)&bytes=65536&ms=0"
                    #expect(try await client.fetch("curl-easy", client.origin + target).status.code == status)
                }
            }
        }
    }

    @Test func `a client that disconnects ends the sleep`() async throws {
        try await withLegacy([], ["TANDEM_HTTP_HALF_CLOSE_GRACE_MS": "10"]) { client, daemon in
            try await client.withConnection { connection in
                try await connection.send(.get, "/blocking/legacy/sleep?ms=60000")
                while !(try await newDump(of: daemon).contains("waits: usleep")) {}
            }
            while try await newDump(of: daemon).contains("waits: usleep") {}
        }
    }

    @Test func `a shutdown ends the sleep at its deadline`() async throws {
        try await withLegacy([], ["TANDEM_SHUTDOWN_GRACE_MS": "100"]) { client, daemon in
            try await client.withConnection { connection in
                try await connection.send(.get, "/blocking/legacy/sleep?ms=60000")
                while !(try await newDump(of: daemon).contains("waits: usleep")) {}
                daemon.send(SIGTERM)
                let stopwatch = Stopwatch()
                #expect(try await daemon.wait() == 0)
                #expect(stopwatch.elapsed < .seconds(10))
                #expect(daemon.errors.contains("connections.cut=1"))
            }
        }
    }

    @Test func `metrics and the dump have the counts of each function`() async throws {
        try await withLegacy([], ["TANDEM_ADMIN_LISTEN": "127.0.0.1:0"]) { client, daemon in
            let port = try #require(daemon.errors.firstMatch(of: #/admin listener on http://127\.0\.0\.1:([0-9]+)/#)?.1)
            let admin = TestClient(to: .tcp(port: Int(port)!))
            for _ in 0..<3 { _ = try await client.legacy("sleep?ms=1") }
            let families = try parsePrometheus(try await admin.get("/metrics").body)
            #expect(families["tandem_legacy_calls"]?.type == "counter")
            for name in ["tandem_legacy_calls", "tandem_legacy_waits"] {
                #expect(families[name]?.value("_total", ["function": "usleep"]) == 3)
                #expect(families[name]?.value("_total", ["function": "flock"]) == nil)
            }
            #expect(try await admin.get("/debug/hub").text.contains("\n  usleep: 3 calls, 3 waits"))
            let dump = try await admin.get("/debug/hub?format=json").body
            let json = try JSONSerialization.jsonObject(with: Data(dump)) as? [String: Any]
            let counts = json?["legacy"] as? [[String: Any]]
            #expect(counts?.first { $0["function"] as? String == "usleep" }?["calls"] as? Int == 3)
            await admin.close()
        }
    }
}

extension TestClient {
    fileprivate var origin: String { "http://localhost:\(port)" }

    fileprivate func legacy(_ target: String) async throws -> TestResponse { try await get("/blocking/legacy/\(target)") }

    fileprivate func fetch(_ endpoint: String, _ url: String) async throws -> TestResponse {
        try await legacy("\(endpoint)?url=\(percentEncoded(url))")
    }
}
