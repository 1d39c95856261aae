internal import Testing

@testable import Tandem

@Suite(.serialized, .timeLimit(.minutes(1)))
struct GreenPoolTests {
    @Test(arguments: Caller.allCases)
    func `members run on green threads, and their waiters get results and errors`(caller: Caller) async throws {
        try await onHub {
            let pool = GreenPool(limit: 2, on: Hub.current)
            let value = try await pool.spawn(caller) { GreenThreadIdentity.current != nil }
            let failure = try await pool.spawn(caller) { throw Failure(number: 1) }
            #expect(try await value.wait(caller))
            await #expect(throws: Failure(number: 1)) { try await failure.wait(caller) }
            #expect(value.isFinished)
            // After an error too, the slot is free before any waiter resumes.
            #expect(pool.running == 0)
        }
    }

    @Test(arguments: Caller.allCases)
    func `spawn waits while the pool is full, and the counts are exact`(caller: Caller) async throws {
        try await onHub {
            let pool = GreenPool(limit: 2, on: Hub.current)
            let gate = Event<Void>()
            let order = Recorder<Int>()
            var spawners: [Task<GreenThread<Void>, any Error>] = []
            for number in 0..<5 {
                spawners.append(
                    Hub.current!.spawn {
                        try await pool.spawn(caller) {
                            order.add(number)
                            try gate.wait()
                        }
                    })
                try await turnUntil { pool.running + pool.waiting == number + 1 }
            }
            #expect(pool.running == 2)
            #expect(pool.waiting == 3)
            #expect(pool.trySpawn {} == nil)
            gate.send(())
            for spawner in spawners { try await spawner.value.wait() }
            // Slots are granted in order. Callers on several threads may then start their members in any order.
            #expect((caller == .thread ? order.all.sorted() : order.all) == Array(0..<5))
            #expect(pool.running == 0)
            #expect(pool.waiting == 0)
        }
    }

    @Test func `members may wait for each other`() async throws {
        try await onHub {
            let pool = GreenPool(limit: 2)
            let (ping, pong) = (Event<Int>(), Event<Int>())
            let first = try await pool.spawn {
                ping.send(1)
                return try pong.wait()
            }
            let second = try await pool.spawn {
                _ = pong.send(try ping.wait() + 1)
            }
            #expect(try await first.wait() == 2)
            try await second.wait()
        }
    }

    @Test(arguments: Caller.cancellable)
    func `a spawn that is cancelled or times out takes no slot, and its body never runs`(
        caller: Caller
    ) async throws {
        try await onHub {
            let pool = GreenPool(limit: 1)
            let gate = Event<Void>()
            let member = try await pool.spawn { try gate.wait() }
            let never = Counter()
            await #expect(throws: TandemError(.timedOut, "")) {
                _ = try await pool.spawn(caller, deadline: .after(.milliseconds(2))) { never.add() }
            }
            let spawner = Hub.current!.spawn { _ = try await pool.spawn(caller) { never.add() } }
            try await turnUntil { pool.waiting == 1 }
            spawner.cancel()
            await #expect(throws: CancellationError.self) { try await spawner.value }
            #expect(pool.waiting == 0)
            gate.send(())
            try await member.wait()
            #expect(pool.running == 0)
            #expect(never.value == 0)
        }
    }

    @Test func `a cancelled member returns its slot, before and after its first step`() async throws {
        try await onHub {
            let pool = GreenPool(limit: 1)
            let ran = Counter()
            let early = try await pool.spawn { ran.add() }
            early.cancel()
            await #expect(throws: TandemError(.threadCancelled, "")) { try await early.wait() }
            #expect(ran.value == 0)
            #expect(pool.running == 0)
            let late = try await pool.spawn { try sleep(for: forever) }
            try await turnUntilParked(1)
            late.cancel()
            await #expect(throws: TandemError(.threadCancelled, "")) { try await late.wait() }
            #expect(pool.running == 0)
        }
    }

    @Test func `a slot is returned even when the member's hub has stopped`() async throws {
        let group = try HubGroup(count: 1)
        let pool = GreenPool(limit: 1, on: group.hubs[0])
        let running = try await pool.spawn { try sleep(for: forever) }
        await group.shutdown()
        await #expect(throws: (any Error).self) { try await running.wait() }
        let late = try await pool.spawn {}
        await #expect(throws: TandemError(.hubStopped, "")) { try await late.wait() }
        try await pool.waitAll()
        #expect(pool.running == 0)
    }

    @Test(arguments: Caller.cancellable)
    func `a spawn from within a member of a full pool runs inline`(caller: Caller) async throws {
        try await onHub {
            let pool = GreenPool(limit: 1)
            let member = try await pool.spawn {
                let outer = UInt(bitPattern: currentTask())
                let inner = try awaiting {
                    try await pool.spawn(caller) {
                        // And once more, from the member that runs inline.
                        try pool.spawn { try sleep(for: .milliseconds(1)) }.wait()
                        return UInt(bitPattern: currentTask()) == outer
                    }
                }
                #expect(inner.isFinished)
                let failing = try pool.spawn { throw Failure() }
                #expect(throws: Failure()) { try failing.wait() }
                return try inner.wait()
            }
            #expect(try await member.wait())
            #expect(pool.running == 0)
        }
    }

    @Test func `a member that spawns into a pool with room gets a slot there`() async throws {
        try await onHub {
            let pool = GreenPool(limit: 2)
            let member = try await pool.spawn {
                let task = UInt(bitPattern: currentTask())
                return try pool.spawn { UInt(bitPattern: currentTask()) != task }.wait()
            }
            #expect(try await member.wait())
        }
    }

    @Test(arguments: Caller.allCases)
    func `waitAll waits for all members and for pending spawns`(caller: Caller) async throws {
        try await onHub {
            let pool = GreenPool(limit: 2, on: Hub.current)
            // Nothing to wait for.
            try await pool.waitAll(caller)
            let ended = Counter()
            let gate = Event<Void>()
            let spawner = GreenThread {
                for number in 0..<6 {
                    try pool.spawn {
                        try gate.wait()
                        try sleep(for: .milliseconds(1))
                        ended.add()
                        if number == 3 { throw Failure() }
                    }
                }
            }
            try await turnUntil { pool.waiting == 1 }
            await #expect(throws: TandemError(.timedOut, "")) { try await pool.waitAll(caller, deadline: .after(.zero)) }
            gate.send(())
            try await pool.waitAll(caller)
            #expect(ended.value == 6)
            try await spawner.wait()
        }
    }

    @Test func `waitAll within a member throws an error that says so`() async throws {
        try await onHub {
            let pool = GreenPool(limit: 1)
            let other = GreenPool(limit: 1)
            let member = try await pool.spawn {
                // Waiting for another pool is legal.
                try other.waitAll()
                try pool.waitAll()
            }
            await #expect(throws: TandemError(.wrongTask, "")) { try await member.wait() }
            let asynchronous = try await pool.spawn { try awaiting { try await pool.waitAll() } }
            await #expect(throws: TandemError(.wrongTask, "")) { try await asynchronous.wait() }
        }
    }

    @Test func `shrinking lets members finish, growing lets waiting callers in`() async throws {
        try await onHub {
            let pool = GreenPool(limit: 2)
            let gates = (0..<4).map { _ in Event<Void>() }
            var members: [GreenThread<Void>] = []
            for gate in gates[..<2] { members.append(try await pool.spawn { try gate.wait() }) }
            pool.resize(limit: 1)
            #expect(pool.running == 2)
            let spawners = gates[2...].map { gate in GreenThread { try pool.spawn { try gate.wait() } } }
            try await turnUntil { pool.waiting == 2 }
            gates[0].send(())
            try await members[0].wait()
            #expect(pool.running == 1)
            #expect(pool.waiting == 2)
            pool.resize(limit: 3)
            #expect(pool.running == 3)
            #expect(pool.waiting == 0)
            for gate in gates { gate.send(()) }
            for spawner in spawners { try await spawner.wait().wait() }
            try await pool.waitAll()
        }
    }

    @Test func `a member that times out waiting for another pool leaves both pools intact`() async throws {
        try await onHub {
            let (outer, inner) = (GreenPool(limit: 1), GreenPool(limit: 1))
            let gate = Event<Void>()
            let stuck = try await inner.spawn { try gate.wait() }
            let member = try await outer.spawn {
                #expect(throws: TandemError(.timedOut, "")) {
                    try inner.spawn(deadline: .after(.milliseconds(1))) {}
                }
                return
            }
            try await member.wait()
            #expect([outer.running, inner.running, inner.waiting] == [0, 1, 0])
            gate.send(())
            try await stuck.wait()
            for pool in [outer, inner] { try await pool.spawn {}.wait() }
        }
    }

    @Test func `a limit below zero is a programming error`() async {
        await #expect(processExitsWith: .failure) { _ = GreenPool(limit: -1) }
    }

    @Test func `three thousand random jobs never exceed the limit, and no slot is lost`() async throws {
        try await onHub {
            let pool = GreenPool(limit: 5)
            var generator = SeededGenerator(seed: 11)
            let (now, most) = (Counter(), Recorder<Int>())
            for _ in 0..<3_000 {
                let turns = Int.random(in: 0..<4, using: &generator)
                try await pool.spawn {
                    now.add()
                    most.add(now.value)
                    for _ in 0..<turns { try sleep(for: .zero) }
                    now.add(-1)
                }
            }
            try await pool.waitAll()
            #expect(most.all.max() == 5)
            #expect(most.count == 3_000)
        }
    }
}
