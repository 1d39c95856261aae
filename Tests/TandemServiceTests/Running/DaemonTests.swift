import Foundation
import Tandem
import TandemFetch
import Testing

@testable import TandemService

/// The built tandemd as a process.
@Suite(.timeLimit(.minutes(1)))
struct DaemonTests {
    @Test func aRequestInFlightIsAnsweredAfterSIGTERM() async throws {
        let daemon = try Daemon("serve", "--port", "0")
        let port = try daemon.port()
        let client = FetchClient()
        #expect(try await client.get("http://127.0.0.1:\(port)/blocking/plaintext").text == "Hello, World!")
        async let answer = client.get("http://127.0.0.1:\(port)/blocking/sleep?ms=700")
        // In flight as soon as the daemon has read it; its own thread's work is what that takes.
        try await Task.sleep(for: .milliseconds(200))
        daemon.send(SIGTERM)
        #expect(try await answer.text == "ok")
        #expect(daemon.wait() == 0)
        let log = daemon.output
        #expect(log.contains("blocking hub=0 GET /blocking/plaintext 200 "))
        #expect(log.contains("blocking hub=0 GET /blocking/sleep?ms=700 200 "))
        #expect(daemon.errors.contains("tandemd \(tandemVersion) listening on http://127.0.0.1:\(port) with 1 hub\n"))
    }

    @Test func theGraceEnds() async throws {
        let daemon = try Daemon("serve", "--port", "0", environment: ["TANDEM_SHUTDOWN_GRACE_MS": "100"])
        let port = try daemon.port()
        let answer = Task { try await FetchClient().get("http://127.0.0.1:\(port)/async/sleep?ms=600000") }
        try await Task.sleep(for: .milliseconds(200))
        daemon.send(SIGINT)
        #expect(daemon.wait() == 0)
        await #expect(throws: FetchError.self) { _ = try await answer.value }
    }

    @Test func aSecondSignalEndsItAtOnce() async throws {
        let daemon = try Daemon("serve", "--port", "0", "--hubs", "2")
        let port = try daemon.port()
        let answer = Task { try await FetchClient().get("http://127.0.0.1:\(port)/blocking/sleep?ms=600000") }
        try await Task.sleep(for: .milliseconds(200))
        daemon.send(SIGTERM)
        try daemon.awaitError("stopping")
        daemon.send(SIGINT)
        #expect(daemon.wait() == 130)
        await #expect(throws: FetchError.self) { _ = try await answer.value }
    }

    @Test func aBusyPortIsNamed() throws {
        let first = try Daemon("serve", "--port", "0")
        let port = try first.port()
        let second = try Daemon("serve", "--port", "\(port)")
        #expect(second.wait() == 1)
        #expect(second.errors.contains("http://127.0.0.1:\(port)"))
        #expect(second.errors.contains("http.port"))
        first.send(SIGTERM)
        #expect(first.wait() == 0)
    }

    @Test func aBadConfigurationEndsWith78() throws {
        try withTemporaryFile("http:\n  prot: 1\n") { path in
            for arguments in [["serve", "--config", path], ["check-config", "--config", path]] {
                let daemon = try Daemon(arguments)
                #expect(daemon.wait() == 78)
                #expect(daemon.errors == "tandemd: \(path):2: http.prot: unknown key; did you mean http.port?\n")
            }
        }
        #expect(try Daemon("serve", environment: ["TANDEM_HTP_PORT": "1"]).wait() == 78)
        #expect(try Daemon("serve", "--port", "65536").wait() == 78)
        #expect(try Daemon("serve", "--fetch-allow", "nonsense").wait() == 78)
        #expect(try Daemon("serve", "--config", "/nonexistent").wait() == 78)
    }

    @Test func wrongUsageEndsWith64() throws {
        #expect(try Daemon("serve", "--port", "x").wait() == 64)
        #expect(try Daemon("sevre").wait() == 64)
        #expect(try Daemon("serve", "--nonsense").wait() == 64)
    }

    @Test func theHealthCheckTellsWhetherItRuns() throws {
        let daemon = try Daemon("--port", "0")
        let port = try daemon.port()
        #expect(try Daemon("healthcheck", "--port", "\(port)").wait() == 0)
        #expect(try Daemon("healthcheck", "--url", "http://127.0.0.1:\(port)/healthz").wait() == 0)
        #expect(try Daemon("healthcheck", "--url", "http://127.0.0.1:\(port)/nowhere").wait() == 1)
        #expect(try Daemon("healthcheck", environment: ["TANDEM_HTTP_PORT": "\(port)"]).wait() == 0)
        daemon.send(SIGTERM)
        #expect(daemon.wait() == 0)
        #expect(try Daemon("healthcheck", "--port", "\(port)").wait() == 1)
    }

    @Test func theOtherCommandsPrint() throws {
        let version = try Daemon("version")
        #expect(version.wait() == 0)
        #expect(version.output == "tandemd \(tandemVersion)\n")
        let routes = try Daemon("routes")
        #expect(routes.wait() == 0)
        #expect(routes.output.contains("GET /blocking/sleep\n") && routes.output.contains("POST /async/echo\n"))
        let check = try Daemon("check-config", "--port", "1234")
        #expect(check.wait() == 0)
        #expect(check.output.contains("port: 1234") && check.output.contains("# --port"))
    }
}
