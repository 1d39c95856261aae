import Foundation
import Tandem
import Testing

@testable import TandemService

@Suite(.serialized, .timeLimit(.minutes(1)))
struct WatchdogPingsTests {
    @Test func theyComeAsLongAsEveryHubTurnsAndStopWhenOneIsStuck() async throws {
        let socket = try NotifySocket()
        let notifier = try #require(Notifier { ["NOTIFY_SOCKET": socket.address][$0] })
        let group = try HubGroup(count: 3)
        let pings = WatchdogPings(notifier: notifier, interval: .milliseconds(20), hubs: { group.hubs })
        let running = HubGroup.shared.nextHub().spawn { try await pings.run() }
        for _ in 0..<5 { #expect(try await socket.next(pings: true) == ["WATCHDOG=1"]) }

        let (held, release) = (Event<Void>(), DispatchSemaphore(value: 0))
        group.hubs[1].spawn {
            held.send(())
            hold(release)
        }
        try await held.wait()
        // One may have been on its way.
        try await Task.sleep(for: .milliseconds(50))
        _ = socket.countPings()
        try await Task.sleep(for: .milliseconds(200))
        #expect(socket.countPings() == 0)

        release.signal()
        for _ in 0..<3 { #expect(try await socket.next(pings: true) == ["WATCHDOG=1"]) }
        // A hub that has ended is none that is stuck.
        await group.shutdown()
        _ = socket.countPings()
        for _ in 0..<3 { #expect(try await socket.next(pings: true) == ["WATCHDOG=1"]) }
        running.cancel()
        await #expect(throws: CancellationError.self) { try await running.value }
    }
}

/// Blocks the OS thread, and with it the hub.
@available(*, noasync)
private func block(_ semaphore: DispatchSemaphore) { semaphore.wait() }

private let hold: @Sendable (DispatchSemaphore) -> Void = { block($0) }
