import Foundation
import Synchronization
import Tandem
import Testing

@testable import TandemDaemon

@Suite(.serialized, .timeLimit(.minutes(1)))
struct HubInquiryTests {
    private let inquiry = HubInquiry()

    /// The hub that asks.
    private let asking = HubGroup.shared.nextHub()

    /// Asks a hub how many jobs it has run.
    private func countJobs(_ hub: Hub, within patience: Duration) -> Task<UInt64?, any Error> {
        let inquiry = inquiry
        return asking.spawn { await inquiry.ask([hub], within: patience) { $0.dump().statistics.jobs }[0].answer }
    }

    @Test func `one job answers all the questions that wait for a hub`() async throws {
        let group = try HubGroup(count: 1)
        let (hub, release) = (group.hubs[0], DispatchSemaphore(value: 0))
        try await hold(hub, release)
        let patient = (0..<40).map { _ in countJobs(hub, within: .seconds(20)) }
        let hurried = try await countJobs(hub, within: .milliseconds(1)).value
        #expect(hurried == nil)
        release.signal()
        var answers: [UInt64?] = []
        for answer in patient { answers.append(try await answer.value) }
        let jobs = try #require(answers.first ?? nil)
        #expect(answers.allSatisfy { $0 == jobs })
        // No further job of the 40 was left to run.
        let later = try #require(try await countJobs(hub, within: .seconds(20)).value)
        #expect(later - jobs < 10)
        await group.shutdown()
    }

    @Test func `a held hub gives no answer in time, and answers again once it is free`() async throws {
        let group = try HubGroup(count: 2)
        let release = DispatchSemaphore(value: 0)
        try await hold(group.hubs[1], release)
        let asked = Mutex(0)
        let (inquiry, hubs) = (inquiry, group.hubs)
        let start = ContinuousClock.now
        let answers = try await asking.spawn {
            await inquiry.ask(hubs, within: .milliseconds(100)) { hub in
                asked.withLock { $0 += 1 }
                return hub.index
            }.map(\.answer)
        }.value
        #expect(answers == [0, nil])
        #expect(ContinuousClock.now - start < .seconds(10))
        release.signal()
        let answer = try await countJobs(hubs[1], within: .seconds(20)).value
        #expect(answer != nil)
        // The late answer to the first question was dropped, and its job has ended.
        #expect(asked.withLock { $0 } == 2)
        await group.shutdown()
    }

    @Test func `a hub with too many questions that wait is not asked`() async throws {
        let group = try HubGroup(count: 1)
        let (hub, release) = (group.hubs[0], DispatchSemaphore(value: 0))
        try await hold(hub, release)
        let answered = Mutex(0)
        let inquiry = inquiry
        try await asking.spawn {
            for _ in 0..<70 { _ = await inquiry.ask([hub], within: .zero) { _ in answered.withLock { $0 += 1 } } }
        }.value
        release.signal()
        while answered.withLock({ $0 }) < 64 { try await Task.sleep(for: .milliseconds(1)) }
        let answer = try await countJobs(hub, within: .seconds(20)).value
        #expect(answer != nil)
        #expect(answered.withLock { $0 } == 64)
        await group.shutdown()
    }
}
