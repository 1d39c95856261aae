internal import Synchronization
internal import Testing

@testable import Tandem

/// While a crowd of jobs is always ready, a waiter for the clock or a descriptor runs after a bounded number of
/// jobs, whatever the style of either.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct FairnessTests {
    /// The style of the jobs that are always ready.
    enum Crowd: CaseIterable { case green, async, mixed }

    /// The style of the waiter.
    enum Waiter: CaseIterable { case green, async }

    private static let crowd = Sanitizer.any ? 1_000 : 10_000

    /// Between the awaited event and the waiter run at most the rest of this turn and the other woken jobs.
    private static let bound = HubConfiguration().jobsPerTurn + 8

    /// Counts the jobs of the crowd that ran since the deadline passed.
    private final class Latecomers: Sendable {
        let due: Deadline
        private let number = Counter()
        let stop = Atomic<Bool>(false)
        init(_ due: Deadline) { self.due = due }
        var count: Int { number.value }
        var isStopped: Bool { stop.load(ordering: .relaxed) }
        func look() { if due.remaining == .zero { number.add() } }
    }

    private func withCrowd(
        _ crowd: Crowd, due: Duration, _ body: @escaping @Sendable (Latecomers) async throws -> Void
    ) async throws {
        var configuration = HubConfiguration()
        configuration.stackSize = 64 * 1024
        try await onHub(configuration) {
            // The crowd takes time to form. The deadline counts from that moment.
            let formed = Counter()
            let latecomers = Mutex<Latecomers?>(nil)
            @Sendable func isOver() -> Bool {
                let seen = latecomers.withLock { $0 }
                seen?.look()
                return seen?.isStopped == true
            }
            let tasks = (0..<Self.crowd).map { number in
                Hub.current!.spawn {
                    formed.add()
                    if crowd == .green || (crowd == .mixed && number.isMultiple(of: 2)) {
                        try await blocking { while !isOver() { try sleep(for: .zero) } }
                    } else {
                        while !isOver() { await Task.yield() }
                    }
                }
            }
            try await turnUntil { formed.value == Self.crowd }
            // The hub rounds a deadline up until its low bits are ones, and jobs run meanwhile: this deadline has them already.
            let exact = Deadline.after(due).nanoseconds | 0xffff
            let seen = Latecomers(due > .zero ? Deadline(nanoseconds: exact) : .after(due))
            latecomers.withLock { $0 = seen }
            try await body(seen)
            seen.stop.store(true, ordering: .relaxed)
            for task in tasks { try await task.value }
        }
    }

    /// Two tasks cannot use up a turn's budget: the hub's queue is empty at the end of each turn.
    @Test func `two tasks that wake each other forever do not starve a socket`() async throws {
        try await onHub {
            let (ping, pong) = (Semaphore(1), Semaphore(0))
            let (jobs, stop) = (Counter(), Counter())
            let players = [(ping, pong), (pong, ping)].map { mine, other in
                GreenThread {
                    while stop.value == 0 {
                        try mine.acquire()
                        jobs.add()
                        other.release()
                    }
                }
            }
            try await turnUntil { jobs.value > 100 }
            let (a, b) = try descriptorPair()
            defer {
                a.close()
                b.close()
            }
            let reads = Counter()
            let reader = GreenThread { [b = Loan(b)] in
                reads.add()
                _ = try b.value.receive()
                return jobs.value
            }
            try await turnUntil { reads.value == 1 }
            try a.send("ping")
            let before = jobs.value
            let after = try await reader.wait()
            #expect(after - before <= Self.bound)
            stop.add()
            for player in players { try await player.wait() }
        }
    }

    @Test(arguments: Crowd.allCases)
    func `a crowd of ready tasks delays a timer by at most one turn's budget`(crowd: Crowd) async throws {
        try await withCrowd(crowd, due: .milliseconds(1)) { seen in
            let fired = Event<Int>()
            let timer = HubTimer(on: Hub.current!) { fired.send(seen.count) }
            timer.arm(seen.due)
            let late = try await fired.wait()
            withExtendedLifetime(timer) {}
            #expect(late <= Self.bound)
        }
    }

    @Test(arguments: Crowd.allCases, Waiter.allCases)
    func `a crowd of ready tasks delays a deadline by at most one turn's budget`(crowd: Crowd, waiter: Waiter)
        async throws
    {
        try await withCrowd(crowd, due: .milliseconds(1)) { seen in
            // A deadline, not a duration: the crowd counts from this deadline.
            let never = Event<Void>()
            let late: Int
            switch waiter {
            case .async:
                await #expect(throws: TandemError(.timedOut, "")) { try await never.wait(deadline: seen.due) }
                late = seen.count
            case .green:
                late = await blocking {
                    #expect(throws: TandemError(.timedOut, "")) { try never.wait(deadline: seen.due) }
                    return seen.count
                }
            }
            #expect(late <= Self.bound)
        }
    }

    @Test(arguments: Crowd.allCases, Waiter.allCases)
    func `a crowd of ready tasks delays each message by at most one turn's budget`(crowd: Crowd, waiter: Waiter) async throws {
        try await withCrowd(crowd, due: .zero) { seen in
            let (a, b) = try descriptorPair()
            defer {
                a.close()
                b.close()
            }
            let rounds = 10
            let echo = Hub.current!.spawn { [b = Loan(b)] in
                switch waiter {
                case .async: for _ in 0..<rounds { try b.value.send(try await b.value.receive()) }
                case .green: try await blocking { for _ in 0..<rounds { try b.value.send(try b.value.receive()) } }
                }
            }
            // Until it has started, it waits behind the crowd.
            try a.send("ping")
            #expect(try await a.receive() == "ping")
            let before = seen.count
            for _ in 1..<rounds {
                try a.send("ping")
                #expect(try await a.receive() == "ping")
            }
            // A round trip counts as two.
            #expect(seen.count - before <= 2 * (rounds - 1) * Self.bound)
            try await echo.value
        }
    }
}
