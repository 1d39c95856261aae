internal import AllocationCount
internal import Glibc
internal import Testing

@testable import Tandem

/// The cost of bridges and parks: no allocation, and no trip through the run queue where nothing waits.
@Suite(
    .serialized, .timeLimit(.minutes(1)),
    .enabled(if: allocations_are_counted(), "the sanitizers bring an allocator of their own"))
struct AllocationTests {
    private static let rounds = 10_000

    /// The number of allocations by `body` on this hub's thread after a warm-up: stacks, task memory and waits are pooled.
    private func allocations(_ body: () async throws -> Void) async throws -> UInt64 {
        for _ in 0..<2 { try await body() }
        let before = allocations_of_this_thread()
        try await body()
        return allocations_of_this_thread() - before
    }

    /// Like `allocations`, and checks that no job ran on the hub meanwhile: the queue is first in, first out, so a task
    /// that was already ready would have run.
    private func allocationsWithoutJobs(_ body: () async throws -> Void) async throws -> UInt64 {
        let ran = Counter()
        let witness = Hub.current!.spawn { ran.add() }
        let turns = Hub.counts.turns
        let count = try await allocations(body)
        #expect(ran.value == 0)
        #expect(Hub.counts.turns == turns)
        try await witness.value
        return count
    }

    @inline(never) private func callee(_ value: Int) async -> Int { value + 1 }
    @concurrent private func concurrentCallee(_ value: Int) async -> Int { value + 1 }

    @Test func `allocations of the Swift runtime and of libc are counted`() {
        let before = allocations_of_this_thread()
        let objects = (0..<100).map { _ in FailureObject() }
        #expect(allocations_of_this_thread() - before >= 100)
        withExtendedLifetime(objects) {}
        let beforePath = allocations_of_this_thread()
        let path = realpath("/", nil)
        #expect(allocations_of_this_thread() - beforePath >= 1)
        free(path)
    }

    @Test func `calling blocking code allocates nothing and runs no job`() async throws {
        try await onHub {
            var sum = 0
            let count = try await allocationsWithoutJobs {
                for index in 0..<Self.rounds { sum += await blocking { index } }
            }
            #expect(count == 0)
        }
    }

    @Test func `calling async code that does not suspend allocates nothing and runs no job`() async throws {
        try await onHub {
            var value = 0
            let count = try await allocationsWithoutJobs {
                try await blocking {
                    for _ in 0..<Self.rounds {
                        value = try awaiting { await callee(value) }
                        value = try awaiting { await concurrentCallee(value) }
                    }
                }
            }
            #expect(count == 0)
            #expect(value == 6 * Self.rounds)
        }
    }

    /// Descends `depth` levels, alternating between the styles.
    private func descend(_ depth: Int) async throws -> Int {
        guard depth > 0 else { return 0 }
        return try await blocking { try awaiting { try await descend(depth - 1) + 1 } }
    }

    @Test(arguments: [2, 8, 32])
    func `bridges nested in each other allocate nothing and run no job`(depth: Int) async throws {
        try await onHub {
            var counts: [UInt64] = []
            for times in [1, 2] {
                var reached = 0
                counts.append(
                    try await allocationsWithoutJobs {
                        for _ in 0..<times * Self.rounds / depth { reached = try await descend(depth) }
                    })
                #expect(reached == depth)
            }
            // The task may allocate one slab for its frames. Twice as many bridges allocate no more.
            #expect(counts[0] == counts[1])
            #expect(counts[0] <= 1)
        }
    }

    @Test func `async code that suspends below blocking code allocates nothing`() async throws {
        try await onHub {
            let count = try await allocations {
                try await blocking {
                    for _ in 0..<Self.rounds / 10 { try awaiting { try await sleep(for: .nanoseconds(1)) } }
                }
            }
            #expect(count == 0)
        }
    }

    @Test func `two green threads that take turns allocate nothing`() async throws {
        try await onHub {
            let (ping, pong) = (Loan(Parker()), Loan(Parker()))
            let stop = Loan(Box<Bool>())
            let other = GreenThread {
                while true {
                    try ping.value.park()
                    if stop.value.value == true { return }
                    pong.value.unpark()
                }
            }
            let count = try await allocations {
                try await blocking {
                    for _ in 0..<Self.rounds {
                        ping.value.unpark()
                        try pong.value.park()
                    }
                }
            }
            #expect(count == 0)
            stop.value.value = true
            ping.value.unpark()
            try await other.wait()
        }
    }

    /// (The async `sleep(for: .zero)` is `Task.yield`, for which Swift allocates a job.)
    @Test func `sleeping allocates nothing in either style`() async throws {
        try await onHub {
            let count = try await allocations {
                for _ in 0..<Self.rounds / 10 { try await sleep(for: .nanoseconds(1)) }
                try await blocking {
                    for _ in 0..<Self.rounds / 10 {
                        try sleep(for: .nanoseconds(1))
                        try sleep(for: .zero)
                    }
                }
            }
            #expect(count == 0)
        }
    }

    @Test func `waiting for a sent event allocates nothing`() async throws {
        try await onHub {
            let event = Event<Int>()
            event.send(1)
            let count = try await allocationsWithoutJobs {
                for _ in 0..<Self.rounds { _ = try await event.wait() }
                try await blocking { for _ in 0..<Self.rounds { _ = try event.wait() } }
            }
            #expect(count == 0)
        }
    }

    @Test func `acquiring a free permit allocates nothing`() async throws {
        try await onHub {
            let semaphore = Semaphore(1)
            let count = try await allocationsWithoutJobs {
                for _ in 0..<Self.rounds { try await semaphore.withPermit {} }
                try await blocking { for _ in 0..<Self.rounds { try semaphore.withPermit {} } }
            }
            #expect(count == 0)
        }
    }
}
