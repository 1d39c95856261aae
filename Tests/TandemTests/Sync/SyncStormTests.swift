internal import Testing

@testable import Tandem

/// Every primitive with callers of every style on several threads, and with cancellations and deadlines at random moments.
/// Each item that goes in comes out once.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct SyncStormTests {
    private static let scale = Sanitizer.any ? 1 : 4

    // MARK: Threads

    @Test(arguments: [0, 1, 64, .max])
    func `items from four threads reach OS threads, green threads and tasks, each once and in order`(
        capacity: Int
    ) async throws {
        // Passing single items between threads is slow under the thread sanitizer.
        let perProducer = Sanitizer.thread ? 250 : 1_000 * Self.scale
        try await onHub {
            let queue = Queue<(producer: Int, number: Int)>(capacity: capacity)
            let got = Recorder<[(producer: Int, number: Int)]>()
            let consume = { @Sendable (caller: Caller) in
                var mine: [(producer: Int, number: Int)] = []
                while true {
                    do {
                        mine.append(try await caller.call({ try await queue.get() }, blocking: { try queue.get() }))
                    } catch let error as TandemError where error.code == .closed { break }
                }
                got.add(mine)
            }
            try await withThrowingTaskGroup { consumers in
                for _ in 0..<4 {
                    consumers.addTask {
                        try await onThread {
                            var mine: [(producer: Int, number: Int)] = []
                            while let item = try? queue.get() { mine.append(item) }
                            got.add(mine)
                        }
                    }
                    consumers.addTask { try await consume(.green) }
                    consumers.addTask { try await consume(.asynchronous) }
                }
                try await withThrowingTaskGroup { producers in
                    for producer in 0..<4 {
                        producers.addTask {
                            try await onThread { for number in 0..<perProducer { try queue.put((producer, number)) } }
                        }
                    }
                    try await producers.waitForAll()
                }
                queue.close()
                try await consumers.waitForAll()
            }
            for producer in 0..<4 {
                // Each consumer got its part of a producer's items in order, and together they got each item once.
                let parts = got.all.map { $0.filter { $0.producer == producer }.map(\.number) }
                for part in parts { #expect(part == part.sorted()) }
                #expect(parts.joined().sorted() == Array(0..<perProducer))
            }
        }
    }

    @Test func `a semaphore shared by OS threads, green threads and tasks admits no more than its permits`() async throws {
        try await onHub {
            let semaphore = Semaphore(3, limit: 3)
            let (inside, tooMany, entries) = (Counter(), Counter(), Counter())
            let enter = { @Sendable in
                inside.add()
                if inside.value > 3 { tooMany.add() }
                entries.add()
                inside.add(-1)
                semaphore.release()
            }
            let rounds = 500 * Self.scale
            try await withThrowingTaskGroup { tasks in
                for _ in 0..<4 {
                    tasks.addTask {
                        try await onThread {
                            for _ in 0..<rounds {
                                try semaphore.acquire()
                                enter()
                            }
                        }
                    }
                    for caller in Caller.cancellable {
                        tasks.addTask {
                            for _ in 0..<rounds {
                                try await semaphore.acquire(caller)
                                enter()
                            }
                        }
                    }
                }
                try await tasks.waitForAll()
            }
            #expect(tooMany.value == 0)
            #expect(entries.value == 12 * rounds)
            #expect(semaphore.available == 3)
            #expect(semaphore.waiting == 0)
        }
    }

    @Test func `a pool filled by four threads runs each member once, within its limit`() async throws {
        let perThread = 100 * Self.scale
        try await onHub {
            let pool = GreenPool(limit: 3, on: Hub.current)
            let (ran, now, tooMany) = (Counter(), Counter(), Counter())
            try await withThrowingTaskGroup { tasks in
                for _ in 0..<4 {
                    tasks.addTask {
                        try await onThread {
                            for _ in 0..<perThread {
                                try pool.spawn {
                                    now.add()
                                    if now.value > 3 { tooMany.add() }
                                    try sleep(for: .zero)
                                    ran.add()
                                    now.add(-1)
                                }
                            }
                        }
                    }
                }
                try await tasks.waitForAll()
            }
            try await pool.waitAll()
            #expect(ran.value == 4 * perThread)
            #expect(tooMany.value == 0)
            #expect(pool.running == 0)
        }
    }

    // MARK: Cancellations and deadlines at random

    @Test(arguments: 1...10 as ClosedRange<UInt64>)
    func `permits are conserved in a storm of cancellations and deadlines`(seed: UInt64) async throws {
        try await onHub {
            let semaphore = Semaphore(2, limit: 2)
            var generator = SeededGenerator(seed: seed)
            let taken = Counter()
            var tasks: [Task<Void, any Error>] = []
            for number in 0..<100 * Self.scale {
                let deadline = Self.deadline(&generator)
                tasks.append(
                    Hub.current!.spawn {
                        try await semaphore.acquire(Caller.cancellable[number % 2], deadline: deadline)
                        taken.add()
                        defer { semaphore.release() }
                        try await sleep(for: .zero)
                    })
                if Bool.random(using: &generator) { tasks.randomElement(using: &generator)!.cancel() }
                if Int.random(in: 0..<4, using: &generator) == 0 { try await sleep(for: .zero) }
            }
            for task in tasks { _ = await task.result }
            #expect(semaphore.available == 2)
            #expect(semaphore.waiting == 0)
            #expect(taken.value > 0)
        }
    }

    @Test(arguments: 1...10 as ClosedRange<UInt64>, [0, 1, 8])
    func `items are conserved in a storm of cancellations and deadlines`(seed: UInt64, capacity: Int) async throws {
        try await onHub {
            let queue = Queue<Int>(capacity: capacity)
            var generator = SeededGenerator(seed: seed)
            let (put, got) = (Recorder<Int>(), Recorder<Int>())
            var tasks: [Task<Void, any Error>] = []
            for number in 0..<100 * Self.scale {
                let caller = Caller.cancellable[number / 2 % 2]
                let deadline = Self.deadline(&generator)
                tasks.append(
                    Hub.current!.spawn {
                        if number % 2 == 0 {
                            try await queue.put(number, caller, deadline: deadline)
                            put.add(number)
                        } else {
                            got.add(try await queue.get(caller, deadline: deadline))
                        }
                    })
                if Int.random(in: 0..<3, using: &generator) == 0 { tasks.randomElement(using: &generator)!.cancel() }
                if Int.random(in: 0..<4, using: &generator) == 0 { try await sleep(for: .zero) }
            }
            // Some wait for a partner that never comes. The remaining items are taken, then the queue is closed.
            try await turnUntil { queue.waitingGetters + queue.waitingPutters + 1 >= Hub.counts.waits }
            while let item = try queue.tryGet() { got.add(item) }
            queue.close()
            for task in tasks { _ = await task.result }
            #expect(put.all.sorted() == got.all.sorted())
            #expect(queue.unfinished == got.count)
            #expect(queue.waitingGetters == 0)
            #expect(queue.waitingPutters == 0)
        }
    }

    @Test(arguments: 1...4 as ClosedRange<UInt64>)
    func `items are conserved when other threads cancel`(seed: UInt64) async throws {
        try await onHub {
            let queue = Queue<Int>(capacity: 2)
            let (put, got) = (Recorder<Int>(), Recorder<Int>())
            let rounds = 500 * Self.scale
            let tasks = (0..<rounds).map { number in
                Hub.current!.spawn {
                    let caller = Caller.cancellable[number / 2 % 2]
                    if number % 2 == 0 {
                        try await queue.put(number, caller)
                        put.add(number)
                    } else {
                        got.add(try await queue.get(caller))
                    }
                }
            }
            try await withThrowingTaskGroup { threads in
                for thread in 0..<4 {
                    threads.addTask {
                        try await onThread {
                            var generator = SeededGenerator(seed: seed * 10 + UInt64(thread))
                            for _ in 0..<rounds / 16 { tasks.randomElement(using: &generator)!.cancel() }
                        }
                    }
                }
                try await threads.waitForAll()
            }
            try await turnUntil { queue.waitingGetters + queue.waitingPutters + 1 >= Hub.counts.waits }
            while let item = try queue.tryGet() { got.add(item) }
            queue.close()
            for task in tasks { _ = await task.result }
            #expect(put.all.sorted() == got.all.sorted())
        }
    }

    @Test(arguments: 1...5 as ClosedRange<UInt64>)
    func `slots are conserved in a storm of cancelled spawners and members`(seed: UInt64) async throws {
        try await onHub {
            let pool = GreenPool(limit: 3)
            var generator = SeededGenerator(seed: seed)
            let members = Recorder<GreenThread<Void>>()
            var spawners: [Task<Void, any Error>] = []
            for number in 0..<100 * Self.scale {
                let deadline = Self.deadline(&generator)
                spawners.append(
                    Hub.current!.spawn {
                        members.add(
                            try await pool.spawn(Caller.cancellable[number % 2], deadline: deadline) {
                                try sleep(for: .zero)
                                if number % 5 == 0 { throw Failure() }
                            })
                    })
                switch Int.random(in: 0..<6, using: &generator) {
                case 0: spawners.randomElement(using: &generator)!.cancel()
                case 1: members.all.randomElement(using: &generator)?.cancel()
                case 2: try await sleep(for: .zero)
                default: break
                }
            }
            for spawner in spawners { _ = await spawner.result }
            try await pool.waitAll()
            #expect(members.all.allSatisfy { $0.isFinished })
            #expect(pool.running == 0)
            #expect(pool.waiting == 0)
        }
    }

    /// No deadline, or one that passes about when the wait would end anyway.
    private static func deadline(_ generator: inout SeededGenerator) -> Deadline {
        guard Int.random(in: 0..<3, using: &generator) == 0 else { return .never }
        return .after(.microseconds(Int.random(in: 0..<500, using: &generator)))
    }
}
