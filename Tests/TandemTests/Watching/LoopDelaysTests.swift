internal import CTandem
internal import Testing

@testable import Tandem

@Suite(.serialized, .timeLimit(.minutes(1)))
struct LoopDelaysTests {
    private func delays(_ nanoseconds: [UInt64]) -> LoopDelays {
        var pulse = tandem_pulse()
        for delay in nanoseconds { tandem_pulse_will_poll(&pulse, pulse.turn_began + delay, false) }
        return LoopDelays(pulse)
    }

    @Test func `turns are counted by powers of two, with their sum and their maximum`() {
        let delays = delays([0, 1, 2, 3, 4, 1000, 1 << 50])
        #expect(delays.count == 7)
        #expect(Array(delays.counts[..<4]) == [1, 1, 2, 1])
        #expect(delays.counts[10] == 1, "512 to 1023")
        #expect(delays.counts[39] == 1, "all that is longer")
        #expect(delays.total == .nanoseconds(1010 + 1 << 50))
        #expect(delays.maximum == .nanoseconds(1 << 50))
    }

    @Test func `a quantile is the upper end of its bucket, and at most the longest turn`() {
        let delays = delays(Array(repeating: 1000, count: 99) + [3000])
        #expect(delays.quantile(0.5) == .nanoseconds(1024))
        #expect(delays.quantile(0.99) == .nanoseconds(1024))
        #expect(delays.quantile(1) == .nanoseconds(3000))
        #expect(self.delays([]).quantile(0.5) == .zero)
    }

    @Test func `a delayed turn shows in the hub's delays, and the hub's sleep does not`() async throws {
        try await onHub {
            // The turn that reads the delays has not ended yet.
            try await sleep(for: .milliseconds(20))
            let before = Hub.counts.loopDelays
            let start = tandem_real_nanoseconds()
            while tandem_real_nanoseconds() < start + 10_000_000 {}
            try await sleep(for: .milliseconds(1))
            let after = Hub.counts.loopDelays
            #expect(after.count > before.count)
            #expect(after.maximum >= .milliseconds(10))
            #expect(after.total - before.total >= .milliseconds(10))
        }
    }
}
