import Histogram
import Tandem
import Testing

@testable import TandemDaemon

@Suite(.serialized, .timeLimit(.minutes(1)))
struct RecentDurationsTests {
    private func sum(_ recent: RecentDurations, at seconds: Int) -> RecentDurations.Distribution {
        var sum = RecentDurations.empty()
        recent.add(to: &sum, now: .seconds(seconds))
        return sum
    }

    @Test func `values are recorded only while somebody watches`() async throws {
        try await onNewHub { _ in
            let watch = Watch()
            let recent = RecentDurations(watch)
            recent.record(0.001)
            #expect(sum(recent, at: 0).totalCount == 0)
            watch.renew(for: .seconds(1)) {}
            recent.record(0.001)
            #expect(sum(recent, at: 0).totalCount == 1)
            recent.clear()
            #expect(sum(recent, at: 0).totalCount == 0)
        }
    }

    @Test func `percentiles are precise to one percent, and any value is accepted`() async throws {
        try await onNewHub { _ in
            let watch = Watch()
            watch.renew(for: .seconds(1)) {}
            let recent = RecentDurations(watch)
            for milliseconds in 1...1_000 { recent.record(Double(milliseconds) / 1_000) }
            let all = sum(recent, at: 0)
            #expect(abs(Double(all.valueAtPercentile(50)) - 500_000) <= 5_000)
            #expect(abs(Double(all.valueAtPercentile(99)) - 990_000) <= 9_900)
            for value in [0, -1, 1e-9, 7_200, 1e300, .greatestFiniteMagnitude] { recent.record(value) }
            #expect(sum(recent, at: 0).totalCount == 1_006)
        }
    }

    @Test func `values are forgotten after a minute`() async throws {
        try await onNewHub { _ in
            let watch = Watch()
            watch.renew(for: .seconds(1)) {}
            let recent = RecentDurations(watch)
            recent.record(0.001)
            for second in stride(from: 0, through: 50, by: 5) { #expect(sum(recent, at: second).totalCount == 1) }
            recent.record(0.002)
            #expect(sum(recent, at: 60).totalCount == 1)
            #expect(sum(recent, at: 1_000).totalCount == 0)
            recent.record(0.003)
            #expect(sum(recent, at: 1_001).totalCount == 1)
        }
    }

    @Test func `a watch ends when nobody renews it, and says so once`() async throws {
        try await onNewHub { _ in
            let watch = Watch()
            let ended = Event<Void>()
            watch.renew(for: .milliseconds(100)) { ended.send(()) }
            for _ in 0..<10 {
                try await sleep(for: .milliseconds(20))
                watch.renew(for: .milliseconds(100)) {}
                #expect(watch.isOn)
            }
            try await ended.wait(deadline: .after(.seconds(20)))
            #expect(!watch.isOn && watch.age == .zero)
        }
    }
}
