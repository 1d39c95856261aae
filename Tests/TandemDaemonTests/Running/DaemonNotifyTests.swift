import Foundation
import Testing

@testable import TandemDaemon

/// The messages of the built tandemd to the service manager.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct DaemonNotifyTests {
    @Test(arguments: [false, true])
    func `the service manager is notified of every phase`(abstract: Bool) async throws {
        let manager = try NotifySocket(abstract: abstract)
        let daemon = try Daemon(
            "serve", "--port", "0", environment: ["NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "40000"])
        let ready = try await manager.next()
        #expect(ready.first == "READY=1")
        #expect(ready.last?.hasPrefix("STATUS=serving on http://127.0.0.1:") == true)
        for _ in 0..<3 { #expect(try await manager.next(pings: true) == ["WATCHDOG=1"]) }

        daemon.send(SIGHUP)
        let reloading = try await manager.next()
        #expect(reloading.first == "RELOADING=1")
        #expect(reloading.last?.hasPrefix("MONOTONIC_USEC=") == true)
        #expect(try await manager.next() == ["READY=1", "STATUS=configuration reloaded"])

        daemon.send(SIGTERM)
        // The grace period, the time for hooks, and five seconds.
        #expect(try await manager.next() == ["STOPPING=1", "STATUS=stopping", "EXTEND_TIMEOUT_USEC=45000000"])
        #expect(try await daemon.wait() == 0)
    }

    @Test func `a daemon that cannot listen is never ready`() async throws {
        let manager = try NotifySocket()
        let daemon = try Daemon("serve", "--host", "192.0.2.1", environment: ["NOTIFY_SOCKET": manager.address])
        #expect(try await daemon.wait() == 1)
        #expect(manager.datagram() == nil)
    }
}
