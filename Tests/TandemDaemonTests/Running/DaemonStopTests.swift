import Foundation
import HTTPTypes
import TandemTesting
import Testing

@testable import TandemDaemon

/// The stop and the restart of the built tandemd.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct DaemonStopTests {
    /// Waits until the daemon's dump shows this number of sleeping requests, which are then in flight.
    private func awaitSleepers(_ count: Int, _ daemon: Daemon) async throws {
        for turn in 1... {
            daemon.send(SIGUSR1)
            // The dump of the supervisor comes last.
            while daemon.errors.components(separatedBy: "supervisor-0: ").count <= turn {
                try await Task.sleep(for: .milliseconds(5))
            }
            let last = daemon.errors.components(separatedBy: "supervisor-0: ")[turn - 1]
            if last.components(separatedBy: "waits: sleep").count > count { return }
        }
    }

    @Test func `a stop answers all requests in flight and closes idle connections`() async throws {
        let daemon = try Daemon("serve", "--port", "0", "--hubs", "2")
        let client = try await daemon.client()
        let (idle, busy) = (try await connect(20, client), try await connect(200, client))
        for connection in idle {
            try await connection.send(.get, "/async/plaintext")
            #expect(try await connection.receiveResponse().text == "Hello, World!")
        }
        for (index, connection) in busy.enumerated() {
            try await connection.send(.get, "/\(Style.allCases[index % 2])/sleep?ms=5000")
        }
        try await awaitSleepers(200, daemon)
        daemon.send(SIGTERM)
        for connection in busy {
            let response = try await connection.receiveResponse()
            #expect(response.status == .ok && response.text == "ok")
            #expect(response[.connection] == "close" && response[.contentLength] == "2")
        }
        for connection in idle + busy { #expect(try await connection.receiveUntilEnd().isEmpty) }
        await client.close()
        #expect(try await daemon.wait() == 0)
        #expect(
            daemon.errors.contains("connections.cut=0 connections.idle=20 hooks.failed=0 hooks.timed-out=0 requests.ended=200"))
    }

    private func connect(_ count: Int, _ client: TestClient) async throws -> [TestConnection] {
        var connections: [TestConnection] = []
        for _ in 0..<count { connections.append(try await client.connect()) }
        return connections
    }

    @Test func `the daemon still serves during the stop delay`() async throws {
        let daemon = try Daemon("serve", "--port", "0", environment: ["TANDEM_SHUTDOWN_DELAY_MS": "1000"])
        let client = try await daemon.client()
        daemon.send(SIGTERM)
        try await daemon.awaitError("stopping")
        let response = try await client.get("/async/plaintext")
        #expect(response.text == "Hello, World!" && !response.closes)
        #expect(try await daemon.wait() == 0)
    }

    @Test func `the daemon can start again at once after SIGKILL`() async throws {
        let first = try Daemon("serve", "--port", "0")
        let client = try await first.client()
        let connections = try await connect(10, client)
        for (index, connection) in connections.enumerated() {
            try await connection.send(.get, "/async/\(index < 5 ? "plaintext" : "sleep?ms=60000")")
        }
        for connection in connections[..<5] { #expect(try await connection.receiveResponse().text == "Hello, World!") }
        try await awaitSleepers(5, first)
        first.send(SIGKILL)
        #expect(try await first.wait() == SIGKILL)
        // The clients still hold their ends of its connections.
        let second = try Daemon("serve", "--port", "\(client.port)")
        #expect(try await second.port() == client.port)
        second.send(SIGTERM)
        #expect(try await second.wait() == 0)
        await client.close()
    }
}
