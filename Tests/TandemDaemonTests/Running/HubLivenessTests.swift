import Foundation
import Synchronization
import Tandem
import Testing

@testable import TandemDaemon

@Suite(.serialized, .timeLimit(.minutes(1)))
struct HubLivenessTests {
    @Test func `watchdog pings stop while a hub is stuck`() async throws {
        let group = try HubGroup(count: 3)
        let rounds = Mutex(0)
        func count() -> Int { rounds.withLock { $0 } }
        func awaitMore(than count: Int) async throws {
            while rounds.withLock({ $0 }) <= count { try await Task.sleep(for: .milliseconds(2)) }
        }
        let liveness = HubLiveness(deadAfter: .seconds(60))
        let running = HubGroup.shared.nextHub().spawn {
            try await liveness.watch({ group.hubs }, atMost: .milliseconds(5)) { rounds.withLock { $0 += 1 } }
        }
        try await awaitMore(than: 4)

        let release = DispatchSemaphore(value: 0)
        try await hold(group.hubs[1], release)
        // A round may be under way.
        try await Task.sleep(for: .milliseconds(50))
        let before = count()
        try await Task.sleep(for: .milliseconds(200))
        #expect(count() == before)

        release.signal()
        try await awaitMore(than: before + 2)
        // A hub that has ended is not stuck.
        await group.shutdown()
        try await awaitMore(than: count() + 2)
        running.cancel()
        await #expect(throws: CancellationError.self) { try await running.value }
    }

    @Test func `a hub is dead when it has run no job for the given time, until it runs one`() async throws {
        let group = try HubGroup(count: 2)
        let liveness = HubLiveness(deadAfter: .milliseconds(200))
        let running = HubGroup.shared.nextHub().spawn { try await liveness.watch({ group.hubs }, atMost: nil) {} }
        let release = DispatchSemaphore(value: 0)
        try await hold(group.hubs[1], release)
        let start = ContinuousClock.now
        while liveness.deadHubs().isEmpty { try await Task.sleep(for: .milliseconds(2)) }
        #expect(ContinuousClock.now - start >= .milliseconds(150))
        #expect(liveness.deadHubs().map(ObjectIdentifier.init) == [ObjectIdentifier(group.hubs[1])])
        release.signal()
        while !liveness.deadHubs().isEmpty { try await Task.sleep(for: .milliseconds(2)) }
        running.cancel()
        await #expect(throws: CancellationError.self) { try await running.value }
        await group.shutdown()
    }
}
