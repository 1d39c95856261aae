import Foundation
import Tandem
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
        let port = try await daemon.port()
        let clients = HubGroup.shared.nextHub().spawn {
            let idle = try await Self.connect(20, port)
            for client in idle {
                try await client.send("GET /async/plaintext HTTP/1.1\r\nHost: a\r\n\r\n")
                try await client.receive(until: "Hello, World!")
            }
            let busy = try await Self.connect(200, port)
            for (index, client) in busy.enumerated() {
                try await client.send("GET /\(Style.allCases[index % 2])/sleep?ms=5000 HTTP/1.1\r\nHost: a\r\n\r\n")
            }
            for client in idle + busy { try await client.receive(until: "until the server closes") }
            defer { for client in idle + busy { client.close() } }
            return (idle.map(\.received), busy.map(\.received))
        }
        try await awaitSleepers(200, daemon)
        daemon.send(SIGTERM)
        let (idle, busy) = try await clients.value
        #expect(try await daemon.wait() == 0)
        #expect(idle.allSatisfy { $0.hasSuffix("Hello, World!") })
        #expect(busy.count == 200)
        for answer in busy {
            #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\n"))
            #expect(answer.lowercased().contains("\r\nconnection: close\r\n"))
            #expect(answer.hasSuffix("\r\n\r\nok"))
        }
        #expect(
            daemon.errors.contains("connections.cut=0 connections.idle=20 hooks.failed=0 hooks.timed-out=0 requests.ended=200"))
    }

    private static func connect(_ count: Int, _ port: Int) async throws -> [RawClient] {
        var clients: [RawClient] = []
        for _ in 0..<count { clients.append(try await RawClient(port: port)) }
        return clients
    }

    @Test func `the daemon still serves during the stop delay`() async throws {
        let daemon = try Daemon("serve", "--port", "0", environment: ["TANDEM_SHUTDOWN_DELAY_MS": "1000"])
        let port = try await daemon.port()
        daemon.send(SIGTERM)
        try await daemon.awaitError("stopping")
        let answer = try await HubGroup.shared.nextHub().spawn {
            let client = try await RawClient(port: port)
            defer { client.close() }
            try await client.send("GET /async/plaintext HTTP/1.1\r\nHost: a\r\n\r\n")
            try await client.receive(until: "Hello, World!")
            return client.received
        }.value
        #expect(!answer.lowercased().contains("connection: close"))
        #expect(try await daemon.wait() == 0)
    }

    @Test func `the daemon can start again at once after SIGKILL`() async throws {
        let first = try Daemon("serve", "--port", "0")
        let port = try await first.port()
        let clients = try await HubGroup.shared.nextHub().spawn {
            let clients = try await Self.connect(10, port)
            for (index, client) in clients.enumerated() {
                try await client.send("GET /async/\(index < 5 ? "plaintext" : "sleep?ms=60000") HTTP/1.1\r\nHost: a\r\n\r\n")
            }
            for client in clients[..<5] { try await client.receive(until: "Hello, World!") }
            return clients.map { UncheckedClient($0) }
        }.value
        try await awaitSleepers(5, first)
        first.send(SIGKILL)
        #expect(try await first.wait() == SIGKILL)
        // The clients' ends of its connections are still open.
        let second = try Daemon("serve", "--port", "\(port)")
        #expect(try await second.port() == port)
        second.send(SIGTERM)
        #expect(try await second.wait() == 0)
        try await clients[0].hub.spawn { for client in clients { client.client.close() } }.value
    }
}

// @unchecked: used only on its hub.
/// A client that is passed between tasks.
private struct UncheckedClient: @unchecked Sendable {
    let client: RawClient
    let hub: Hub

    init(_ client: RawClient) {
        self.client = client
        hub = Hub.current!
    }
}
