internal import Testing

@testable import Tandem

/// Callers that stop waiting, by a cancel or by a deadline.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct OffloadCancellationTests {
    @Test(arguments: OffloadStyle.tasks)
    func `a cancel before the call prevents the body from running`(style: OffloadStyle) async throws {
        try await onHubWithPool(threads: 1) { pool in
            let caller = Hub.current!.spawn {
                withUnsafeCurrentTask { $0!.cancel() }
                try await style.run(on: pool) { mustNotRun() }
            }
            await #expect(throws: CancellationError.self) { try await caller.value }
            #expect(pool.statistics == OffloadStatistics())
        }
    }

    @Test(arguments: OffloadStyle.tasks)
    func `a cancel while queued ends the wait at once, and only this body never runs`(style: OffloadStyle) async throws {
        try await onHubWithPool(threads: 1) { pool in
            let gate = Gate()
            let running = Hub.current!.spawn { try await pool.run { gate.pass() } }
            try await turnUntil { gate.arrived.value == 1 }
            let ran = Recorder<Int>()
            let callers = (0..<5).map { number in Hub.current!.spawn { try await style.run(on: pool) { ran.add(number) } } }
            try await turnUntil { pool.statistics.queued == 5 }
            callers[0].cancel()
            callers[3].cancel()
            await #expect(throws: CancellationError.self) { try await callers[0].value }
            await #expect(throws: CancellationError.self) { try await callers[3].value }
            #expect(pool.statistics.queued == 3)
            #expect(pool.statistics.withdrawn == 2)
            gate.open()
            try await running.value
            for number in [1, 2, 4] { try await callers[number].value }
            #expect(ran.all == [1, 2, 4])
            #expect(pool.statistics.abandoned == 0)
        }
    }

    @Test(arguments: OffloadStyle.tasks)
    func `a cancel while running ends the wait at once, and the body's result is dropped`(style: OffloadStyle)
        async throws
    {
        try await onHubWithPool(threads: 1) { pool in
            let gate = Gate()
            let ended = Counter()
            let caller = Hub.current!.spawn {
                try await style.run(on: pool) {
                    gate.pass()
                    // The body has no task whose cancellation it could see.
                    #expect(!Task.isCancelled)
                    ended.add()
                }
            }
            try await turnUntil { gate.arrived.value == 1 }
            caller.cancel()
            await #expect(throws: CancellationError.self) { try await caller.value }
            var counts = pool.statistics
            #expect([counts.running, counts.abandoned, counts.completed, ended.value] == [1, 1, 0, 0])
            gate.open()
            try await turnUntil { pool.statistics.running == 0 }
            counts = pool.statistics
            #expect([counts.abandoned, counts.completed, ended.value] == [1, 1, 1])
            let later = try await style.run(on: pool) { 5 }
            #expect(later == 5)
        }
    }

    @Test(arguments: OffloadStyle.allCases)
    func `a deadline ends the wait for a thread and the wait for the body`(style: OffloadStyle) async throws {
        try await onHubWithPool(threads: 1) { pool in
            let gate = Gate()
            // Usually long enough for the job to start first. Otherwise it is withdrawn like the next one.
            await #expect(throws: TandemError(.timedOut, "")) {
                try await style.run(on: pool, deadline: .after(.milliseconds(100))) { gate.pass() }
            }
            await #expect(throws: TandemError(.timedOut, "")) {
                try await style.run(on: pool, deadline: .after(.milliseconds(1))) { gate.pass() }
            }
            #expect(pool.statistics.abandoned + pool.statistics.withdrawn == 2)
            #expect(pool.statistics.queued == 0)
            gate.open(for: 2)
            let later = try await style.run(on: pool, deadline: .after(forever)) { 1 }
            #expect(later == 1)
        }
    }

    @Test func `a withdrawn job is released outside the pool's lock`() async throws {
        final class AsksPool: Sendable {
            let pool: OffloadPool
            let gone: Counter
            init(_ pool: OffloadPool, _ gone: Counter) {
                self.pool = pool
                self.gone = gone
            }
            // This would wait forever if the lock were held.
            deinit { gone.add(1 + pool.statistics.queued) }
        }
        try await onHubWithPool(threads: 1) { pool in
            let gate = Gate()
            let gone = Counter()
            let running = Hub.current!.spawn { try await pool.run { gate.pass() } }
            try await turnUntil { gate.arrived.value == 1 }
            let caller = Hub.current!.spawn {
                let held = AsksPool(pool, gone)
                try await pool.run { withExtendedLifetime(held) {} }
            }
            try await turnUntil { pool.statistics.queued == 1 }
            caller.cancel()
            await #expect(throws: CancellationError.self) { try await caller.value }
            #expect(gone.value == 1)
            gate.open()
            try await running.value
        }
    }

    @Test func `cancels that race with jobs lose no result and count each job once`() async throws {
        try await onHubWithPool(threads: 4, queueLimit: 100) { pool in
            let answered = Counter()
            let cancelled = Counter()
            let refused = Counter()
            let ran = Counter()
            var random = SeededGenerator(seed: 7)
            for _ in 0..<20 {
                let callers = (0..<200).map { number in
                    Hub.current!.spawn {
                        do {
                            try await OffloadStyle.tasks[number % 2].run(on: pool) { ran.add() }
                            answered.add()
                        } catch let error as TandemError where error.code == .overloaded {
                            refused.add()
                        } catch is CancellationError {
                            cancelled.add()
                        }
                    }
                }
                for caller in callers where Bool.random(using: &random) {
                    if Int.random(in: 0..<20, using: &random) == 0 { try await sleep(for: .zero) }
                    caller.cancel()
                }
                // Callers that were cancelled before their first step never ran.
                for caller in callers { do { try await caller.value } catch is CancellationError { cancelled.add() } }
            }
            #expect(answered.value + cancelled.value + refused.value == 4000)
            try await turnUntil { pool.statistics.running == 0 }
            let counts = pool.statistics
            #expect(counts.completed == ran.value)
            #expect(counts.rejected == refused.value)
            #expect(counts.queued == 0)
            // A caller that left just as its job ended is cancelled, although the job was not abandoned.
            #expect(counts.completed - counts.abandoned >= answered.value)
        }
    }
}
