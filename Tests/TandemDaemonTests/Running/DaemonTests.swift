import Foundation
import HTTPTypes
import TandemTesting
import Testing

@testable import TandemDaemon
@testable import tandemd

/// The built tandemd as a process.
@Suite(.timeLimit(.minutes(1)))
struct DaemonTests {
    @Test(arguments: Style.allCases, [false, true])
    func `a request in flight is answered after SIGTERM`(style: Style, runsAllTasks: Bool) async throws {
        let daemon = try Daemon("serve", "--port", "0", environment: ["TANDEM_HUB_RUNS_ALL_TASKS": "\(runsAllTasks)"])
        let client = try await daemon.client()
        #expect(try await client.get("/blocking/plaintext").text == "Hello, World!")
        try await client.withConnection { connection in
            try await connection.send(.post, "/\(style)/echo", headers: [.contentLength: "11"])
            try await connection.send("first")
            let answer = try await connection.receive(until: "first")
            daemon.send(SIGTERM)
            try await daemon.awaitError("stopping")
            try await connection.send("second")
            #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\n") && answer.hasSuffix("\r\n\r\nfirst"))
            #expect(try await connection.receiveUntilEnd() == Array("second".utf8))
        }
        #expect(try await daemon.wait() == 0)
        #expect(daemon.output.contains("blocking hub=0 GET /blocking/plaintext 200 "))
        #expect(daemon.output.contains("\(style) hub=0 POST /\(style)/echo 200 "))
        #expect(daemon.errors.contains("tandemd \(Tandemd.version) listening on http://127.0.0.1:\(client.port) with 1 hub\n"))
    }

    /// Starts a request that takes ten minutes, and returns when the first part of the response has arrived.
    private func startLongRequest(_ port: Int, _ style: Style) async throws -> TestConnection {
        let connection = try await TestConnection.connect(to: .tcp(port: port))
        try await connection.send(.get, "/\(style)/stream?chunks=2&bytes=5&ms=600000")
        _ = try await connection.receiveHead()
        #expect(try await connection.receivePiece() == Array("....\n".utf8))
        return connection
    }

    @Test(arguments: Style.allCases)
    func `requests are cut when the grace period ends`(style: Style) async throws {
        let daemon = try Daemon("serve", "--port", "0", environment: ["TANDEM_SHUTDOWN_GRACE_MS": "100"])
        let connection = try await startLongRequest(daemon.port(), style)
        daemon.send(SIGINT)
        #expect(try await daemon.wait() == 0)
        await #expect(throws: TestClientError.self) { _ = try await connection.receivePiece() }
        try await connection.close()
        #expect(daemon.output.contains("\(style)/stream?chunks=2&bytes=5&ms=600000 200 "))
        #expect(daemon.output.hasSuffix(" cancelled\n"))
    }

    @Test func `a second signal ends the process at once`() async throws {
        let daemon = try Daemon("serve", "--port", "0", "--hubs", "2")
        let connection = try await startLongRequest(daemon.port(), .blocking)
        daemon.send(SIGTERM)
        try await daemon.awaitError("stopping")
        daemon.send(SIGINT)
        #expect(try await daemon.wait() == 130)
        await #expect(throws: TestClientError.self) { _ = try await connection.receivePiece() }
        try await connection.close()
    }

    @Test func `a port in use is reported`() async throws {
        let first = try Daemon("serve", "--port", "0")
        let port = try await first.port()
        let second = try Daemon("serve", "--port", "\(port)")
        #expect(try await second.wait() == 1)
        #expect(second.errors.hasPrefix("tandemd: cannot listen on 127.0.0.1:\(port): bind: Address already in use. "))
        #expect(second.errors.contains("http.port"))
        first.send(SIGTERM)
        #expect(try await first.wait() == 0)
    }

    @Test func `an invalid configuration ends with exit code 78`() async throws {
        let file = try TemporaryFile("http:\n  prot: 1\n")
        for command in ["serve", "check-config"] {
            let daemon = try Daemon(command, "--config", file.path)
            #expect(try await daemon.wait() == 78)
            #expect(daemon.errors == "tandemd: \(file.path):2: http.prot: unknown key; did you mean http.port?\n")
        }
        #expect(try await Daemon("serve", environment: ["TANDEM_HTP_PORT": "1"]).wait() == 78)
        #expect(try await Daemon("serve", "--port", "65536").wait() == 78)
        #expect(try await Daemon("serve", "--fetch-allow", "nonsense").wait() == 78)
        #expect(try await Daemon("serve", "--config", "/nonexistent").wait() == 78)
    }

    @Test func `a lack of descriptors is reported with the limit`() async throws {
        let daemon = try Daemon(["serve", "--port", "0", "--hubs", "64"], through: ["/usr/bin/prlimit", "--nofile=40:40"])
        #expect(try await daemon.wait() == 1)
        #expect(daemon.errors.contains("Too many open files"))
        #expect(daemon.errors.contains("LimitNOFILE="))
        #expect(!daemon.errors.contains("http.port"))
    }

    @Test func `an address of another machine is reported`() async throws {
        let daemon = try Daemon("serve", "--host", "192.0.2.1", "--port", "0")
        #expect(try await daemon.wait() == 1)
        #expect(daemon.errors.contains("192.0.2.1") && daemon.errors.contains("http.host"))
    }

    @Test func `wrong usage ends with exit code 64`() async throws {
        #expect(try await Daemon("serve", "--port", "x").wait() == 64)
        #expect(try await Daemon("sevre").wait() == 64)
        #expect(try await Daemon("serve", "--nonsense").wait() == 64)
    }

    @Test func `the health check reports whether the daemon runs`() async throws {
        let daemon = try Daemon("--port", "0")
        let port = try await daemon.port()
        #expect(try await Daemon("healthcheck", "--port", "\(port)").wait() == 0)
        #expect(try await Daemon("healthcheck", "--url", "http://127.0.0.1:\(port)/healthz").wait() == 0)
        #expect(try await Daemon("healthcheck", "--url", "http://127.0.0.1:\(port)/nowhere").wait() == 1)
        #expect(try await Daemon("healthcheck", environment: ["TANDEM_HTTP_PORT": "\(port)"]).wait() == 0)
        daemon.send(SIGTERM)
        #expect(try await daemon.wait() == 0)
        #expect(try await Daemon("healthcheck", "--port", "\(port)").wait() == 1)
    }

    @Test func `the commands version and routes print`() async throws {
        let version = try Daemon("version")
        #expect(try await version.wait() == 0)
        #expect(version.output == "tandemd \(Tandemd.version)\n")
        let routes = try Daemon("routes")
        #expect(try await routes.wait() == 0)
        // The columns are aligned.
        #expect(routes.output.contains("GET   /blocking/sleep              blocking\n"))
        #expect(routes.output.contains("POST  /async/echo                  async\n"))
        #expect(routes.output.contains("GET   /moved/plaintext             blocking to async: old\n"))
        for endpoint in ["sleep     ", "foundation", "curl-easy "] {
            #expect(routes.output.contains("GET   /blocking/legacy/\(endpoint)  blocking\n"))
        }
    }

    @Test func `routes --left prints the routes that are not async, and the calls across the bridges of the running daemon`()
        async throws
    {
        let directory = TemporaryDirectory()
        let environment = ["TANDEM_ADMIN_LISTEN": "unix:\(directory.path)/admin"]
        let without = try Daemon("routes", "--left")
        #expect(try await without.wait() == 1)
        #expect(without.errors.hasSuffix("this command asks the admin listener, and none is configured: set admin.listen\n"))
        let early = try Daemon("routes", "--left", environment: environment)
        #expect(try await early.wait() == 1)
        #expect(early.errors.hasPrefix("tandemd: unix:\(directory.path)/admin does not answer: "))

        let daemon = try Daemon("serve", "--port", "0", environment: environment)
        let client = try await daemon.client()
        for _ in 0..<3 { #expect(try await client.get("/blocking/bridge").status == .ok) }
        #expect(try await client.get("/async/bridge").status == .ok)
        let left = try Daemon("routes", "--left", environment: environment)
        #expect(try await left.wait() == 0)
        #expect(left.output.contains("GET   /blocking/sleep ") && !left.output.contains("/async/sleep"))
        #expect(left.output.contains("GET   /moved/plaintext "))
        let calls = left.output.components(separatedBy: "\n\n").last?.split(separator: "\n").map(String.init) ?? []
        let first = calls.first ?? ""
        #expect(first.contains(/^ *3  to async     tandemd\/Bridge\.swift:\d+ +GET \/blocking\/bridge$/), "\(calls)")
        #expect(calls.contains { $0.contains(/^ *1  to blocking  tandemd\/Bridge\.swift:\d+ +blocking$/) }, "\(calls)")
        await client.close()
        daemon.send(SIGTERM)
        #expect(try await daemon.wait() == 0)
    }

    @Test func `every option of the configuration sets its key`() async throws {
        let options = ["http.host": "::1", "http.port": "1234", "http.hubs": "7", "fetch.allow": "http://a.example"]
        let settings = schema.settings.filter { $0.flag != nil }
        #expect(Set(settings.map(\.key)) == Set(options.keys))
        let check = try Daemon(["check-config"] + settings.flatMap { [$0.flag!, options[$0.key]!] })
        #expect(try await check.wait() == 0)
        let lines = check.output.split(separator: "\n")
        for setting in settings {
            let name = setting.key.split(separator: ".")[1]
            #expect(
                lines.contains {
                    $0.hasPrefix("  \(name): ") && $0.contains(options[setting.key]!) && $0.hasSuffix(" # \(setting.flag!)")
                }, "\(check.output)")
        }
    }

    @Test func `the shipped configuration passes its check`() async throws {
        let check = try Daemon("check-config", "--config", packageRoot + "/config/tandemd.yaml")
        #expect(try await check.wait() == 0)
        #expect(check.errors.isEmpty)
    }
}
