internal import Testing

@testable import Tandem

@Suite(.serialized, .timeLimit(.minutes(1)))
struct OffloadPoolTests {
    // MARK: Running

    @Test(arguments: OffloadStyle.allCases)
    func `the body runs on a thread of the pool, and its value reaches the caller on its own thread`(style: OffloadStyle)
        async throws
    {
        try await onHubWithPool(threads: 2, hubs: .one("counts the process's threads by name")) { pool in
            let here = GreenThreadIdentity.osThread
            #expect(pool.statistics.threads == 0)
            let there = try await style.run(on: pool) { () -> Int in
                #expect(threads(named: "test-pool-0") == 1)
                #expect(Hub.current == nil && currentTask() == nil)
                return GreenThreadIdentity.osThread
            }
            #expect(there != here)
            #expect(GreenThreadIdentity.osThread == here)
            let counts = pool.statistics
            #expect([counts.threads, counts.running, counts.queued, counts.completed] == [1, 0, 0, 1])
        }
    }

    @Test(arguments: OffloadStyle.allCases)
    func `the caller gets the body's error`(style: OffloadStyle) async throws {
        let failure = FailureObject()
        try await onHubWithPool(threads: 1) { pool in
            await #expect {
                try await style.run(on: pool) { throw failure }
            } throws: {
                $0 as? FailureObject === failure
            }
            // An error of the body is not taken for a caller that left, even if it is a CancellationError.
            await #expect(throws: CancellationError.self) { try await style.run(on: pool) { throw CancellationError() } }
            #expect(pool.statistics.completed == 2)
            #expect(pool.statistics.abandoned == 0)
        }
    }

    @Test func `a caller outside any hub may offload, and resumes on its actor`() async throws {
        let pool = try OffloadPool(threads: 1)
        let value = try await Task.detached { try await pool.run { 1 } }.value
        let isolated = try await Task { @MainActor in
            let value = try await pool.run { 2 }
            MainActor.assertIsolated()
            return value
        }.value
        #expect(value + isolated == 3)
        try await pool.shutdown()
    }

    @Test func `the blocking forms called directly in async code throw and start nothing`() async throws {
        try await onHubWithPool(threads: 1) { pool in
            #expect(throws: TandemError(.notOnGreenThread, "")) { try synchronously { try pool.run { mustNotRun() } } }
            let error = await Task.detached {
                #expect(throws: TandemError.self) { try synchronously { try pool.run { mustNotRun() } } }
            }.value
            #expect(error?.code == .notOnGreenThread)
            #expect(error?.message.contains("OffloadPoolTests.swift") == true)
            #expect(throws: TandemError(.notOnGreenThread, "")) { try synchronously { try pool.shutdown() } }
            #expect(pool.statistics == OffloadStatistics())
            // The pool is still running.
            try await pool.run {}
        }
    }

    // MARK: Bounds

    @Test func `a thousand jobs of every style run on four threads`() async throws {
        try await onHubWithPool(threads: 4) { pool in
            let sum = try await withThrowingTaskGroup(of: Int.self) { tasks in
                for number in 0..<1000 {
                    // Only some callers are OS threads, because each needs a thread.
                    let style = number.isMultiple(of: 50) ? OffloadStyle.thread : OffloadStyle.tasks[number % 2]
                    tasks.addTask { try await style.run(on: pool) { number } }
                }
                return try await tasks.reduce(0, +)
            }
            #expect(sum == 999 * 1000 / 2)
            let counts = pool.statistics
            #expect(counts.completed == 1000)
            #expect(counts.threads <= 4 && counts.runningHighWater <= 4)
            #expect(counts.running + counts.queued + counts.abandoned + counts.withdrawn + counts.rejected == 0)
        }
    }

    @Test func `jobs run in parallel, as many as there are threads`() async throws {
        try await onHubWithPool(threads: 3) { pool in
            let gate = Gate()
            let jobs = (0..<10).map { _ in Hub.current!.spawn { try await pool.run { gate.pass() } } }
            try await turnUntil { gate.arrived.value == 3 }
            let counts = pool.statistics
            #expect([counts.threads, counts.running, counts.queued] == [3, 3, 7])
            gate.open(for: 10)
            for job in jobs { try await job.value }
            #expect(pool.statistics.runningHighWater == 3)
            #expect(pool.statistics.queuedHighWater >= 7)
        }
    }

    @Test func `sequential callers need one thread`() async throws {
        try await onHubWithPool(threads: 8) { pool in
            for _ in 0..<100 { try await pool.run {} }
            #expect(pool.statistics.threads == 1)
            #expect(pool.statistics.completed == 100)
        }
    }

    @Test func `a pool of one thread runs jobs in order, on that thread`() async throws {
        try await onHubWithPool(threads: 1) { pool in
            let order = Recorder<Int>()
            let ids = Recorder<Int>()
            let jobs = (0..<100).map { number in
                GreenThread {
                    try pool.run {
                        order.add(number)
                        ids.add(GreenThreadIdentity.osThread)
                    }
                }
            }
            for job in jobs { try await job.wait() }
            #expect(order.all == Array(0..<100))
            #expect(Set(ids.all).count == 1)
        }
    }

    @Test func `the hub keeps running while every thread of the pool blocks`() async throws {
        try await onHubWithPool(threads: 2) { pool in
            let gate = Gate()
            let jobs = [GreenThread { try pool.run { gate.pass() } }, GreenThread { try pool.run { gate.pass() } }]
            try await turnUntil { gate.arrived.value == 2 }
            let before = Hub.counts.turns
            for _ in 0..<50 { try await sleep(for: .microseconds(50)) }
            #expect(Hub.counts.turns >= before + 50)
            #expect(pool.statistics.running == 2)
            gate.open(for: 2)
            for job in jobs { try await job.wait() }
        }
    }

    @Test(arguments: OffloadStyle.allCases)
    func `a full queue refuses a job and accepts it when there is room`(style: OffloadStyle) async throws {
        try await onHubWithPool(threads: 1, queueLimit: 1) { pool in
            let gate = Gate()
            let running = Hub.current!.spawn { try await pool.run { gate.pass() } }
            try await turnUntil { gate.arrived.value == 1 }
            let queued = Hub.current!.spawn { try await pool.run { 2 } }
            try await turnUntil { pool.statistics.queued == 1 }
            let error = await #expect(throws: TandemError.self) { try await style.run(on: pool) { mustNotRun() } }
            #expect(error?.code == .overloaded)
            #expect(error?.message.contains("test-pool") == true)
            #expect(pool.statistics.rejected == 1)
            gate.open()
            try await running.value
            let waited = try await queued.value
            #expect(waited == 2)
            let later = try await style.run(on: pool) { 3 }
            #expect(later == 3)
        }
    }

    @Test func `a pool without a queue refuses a job that cannot start at once`() async throws {
        try await onHubWithPool(threads: 1, queueLimit: 0) { pool in
            for _ in 0..<10 { try await pool.run {} }
            let gate = Gate()
            let running = Hub.current!.spawn { try await pool.run { gate.pass() } }
            try await turnUntil { gate.arrived.value == 1 }
            await #expect(throws: TandemError(.overloaded, "")) { try await pool.run {} }
            gate.open()
            try await running.value
        }
    }

    @Test(arguments: [(0, 1), (-1, 1), (1, -1), (1, Int.max)])
    func `invalid sizes are refused`(threads: Int, queueLimit: Int) {
        #expect(throws: TandemError(.invalidArgument, "")) { try OffloadPool(threads: threads, queueLimit: queueLimit) }
    }

    // MARK: The end

    @Test(arguments: OffloadStyle.allCases)
    func `shutdown refuses queued and later callers and waits for the running job`(style: OffloadStyle) async throws {
        try await onHubWithPool(threads: 1) { pool in
            let gate = Gate()
            let running = Hub.current!.spawn { try await pool.run { gate.pass() } }
            try await turnUntil { gate.arrived.value == 1 }
            let queued = (0..<3).map { _ in Hub.current!.spawn { try await style.run(on: pool) { mustNotRun() } } }
            try await turnUntil { pool.statistics.queued == 3 }
            let shutdown = Hub.current!.spawn {
                switch style {
                case .async: try await pool.shutdown()
                case .green: try await blocking { try pool.shutdown() }
                case .thread: try await onThread { try pool.shutdown() }
                }
                #expect(gate.arrived.value == 2)
            }
            for caller in queued { await #expect(throws: TandemError(.poolStopped, "")) { try await caller.value } }
            await #expect(throws: TandemError(.poolStopped, "")) { try await style.run(on: pool) { mustNotRun() } }
            #expect(pool.statistics.rejected == 4)
            #expect(pool.statistics.threads == 1)
            gate.arrived.add()
            gate.open()
            try await running.value
            try await shutdown.value
            #expect(pool.statistics.threads == 0)
            // A thread leaves the kernel's list shortly after it has left the pool.
            try await turnUntil { threads(named: "test-pool-0") == 0 }
        }
    }

    @Test func `shutdown of a pool without threads returns at once, even when repeated`() async throws {
        try await onHubWithPool(threads: 1) { pool in
            try await pool.shutdown()
            try await blocking { try pool.shutdown() }
        }
    }

    @Test func `a job cannot shut down its own pool, and no caller can shut down the shared pools`() async {
        await #expect(processExitsWith: .failure) {
            let pool = try OffloadPool(threads: 1)
            try await pool.run { try pool.shutdown() }
        }
        await #expect(processExitsWith: .failure) { try await OffloadPool.shared.shutdown() }
        await #expect(processExitsWith: .failure) { try await OffloadPool.resolver.shutdown() }
    }

    @Test func `a shutdown whose deadline passes leaves the pool ending`() async throws {
        try await onHubWithPool(threads: 1) { pool in
            let gate = Gate()
            let running = Hub.current!.spawn { try await pool.run { gate.pass() } }
            try await turnUntil { gate.arrived.value == 1 }
            await #expect(throws: TandemError(.timedOut, "")) { try await pool.shutdown(deadline: .after(.milliseconds(1))) }
            await #expect(throws: TandemError(.poolStopped, "")) { try await pool.run {} }
            gate.open()
            try await running.value
        }
    }

    @Test func `a released pool's threads end`() async throws {
        try await onHub(hubs: .one("counts the process's threads by name")) {
            var pool: OffloadPool? = try OffloadPool(threads: 2, name: "let-go")
            try await pool!.run {}
            #expect(threads(named: "let-go-0") == 1)
            pool = nil
            try await turnUntil { threads(named: "let-go-0") == 0 }
        }
    }

    @Test func `many jobs leave no descriptor and no thread behind`() async throws {
        // The first call from an OS thread starts the shared hubs, which are kept.
        try await onHubWithPool(threads: 1) { pool in try await OffloadStyle.thread.run(on: pool) {} }
        let before = openDescriptors()
        for _ in 0..<20 {
            try await onHubWithPool(threads: 4) { pool in
                try await withThrowingTaskGroup { tasks in
                    for number in 0..<30 { tasks.addTask { try await OffloadStyle.allCases[number % 3].run(on: pool) {} } }
                    try await tasks.waitForAll()
                }
            }
        }
        #expect(openDescriptors() == before)
        try await onHub { try await turnUntil { (0..<4).allSatisfy { threads(named: "test-pool-\($0)") == 0 } } }
    }
}
