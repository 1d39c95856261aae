internal import Testing

@testable import Tandem

/// Both bridges together, and tasks, green threads and errors that cross them.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct BridgeTests {
    // MARK: Existing tasks and green threads

    @Test func `several blocking callers may wait for the same existing task`() async throws {
        try await onHub {
            let gate = Event<Int>()
            let task = Hub.current!.spawn { try await gate.wait() }
            let elsewhere = Task.detached { try await gate.wait() + 1 }
            let waiters = (0..<4).map { number in
                GreenThread { try awaiting { try await (number.isMultiple(of: 2) ? task : elsewhere).value } }
            }
            try await turnUntil { Hub.counts.greenThreads == 4 }
            gate.send(5)
            for (number, waiter) in waiters.enumerated() {
                let value = try await waiter.wait()
                #expect(value == 5 + number % 2)
            }
        }
    }

    @Test func `waiting for something that has ended makes no turn, in every style`() async throws {
        try await onHub {
            let failure = FailureObject()
            let (good, bad) = (Hub.current!.spawn { 1 }, Hub.current!.spawn { throw failure })
            let (thread, failed) = (GreenThread { 2 }, GreenThread { throw failure })
            let member = try await GreenPool(limit: 1).spawn { 3 }
            _ = await (good.result, bad.result, try? thread.wait(), try? failed.wait(), try? member.wait())
            let ran = Counter()
            let other = Hub.current!.spawn { ran.add() }
            let before = Hub.counts.turns
            let asynchronous = [try await good.value, try await thread.wait(), try await member.wait()]
            let green = try await blocking {
                #expect(throws: FailureObject.self) { try failed.wait() }
                #expect(throws: FailureObject.self) { try awaiting { try await bad.value } }
                return [try awaiting { try await good.value }, try thread.wait(), try member.wait()]
            }
            await #expect(throws: FailureObject.self) { try await failed.wait() }
            #expect(Hub.counts.turns == before)
            #expect(ran.value == 0, "somebody who was ready all the time")
            #expect([asynchronous, green] == [[1, 2, 3], [1, 2, 3]])
            try await other.value
        }
    }

    @Test func `waiting for a task that was cancelled elsewhere throws, and does not cancel the waiting green thread`()
        async throws
    {
        try await onHub {
            let task = Hub.current!.spawn { try await sleep(for: forever) }
            let waiter = GreenThread {
                #expect(throws: CancellationError.self) { try awaiting { try await task.value } }
                #expect(!Task.isCancelled)
                try sleep(for: .zero)
                return "goes on"
            }
            try await turnUntil { Hub.counts.greenThreads == 1 && Hub.counts.timers == 1 }
            task.cancel()
            let said = try await waiter.wait()
            #expect(said == "goes on")
        }
    }

    @Test func `cancelling a waiter leaves the task running, unless the waiter forwards the cancel`() async throws {
        try await onHub {
            let gate = Event<Int>()
            let task = Hub.current!.spawn { try await gate.wait() }
            let owner = GreenThread { try awaiting { try await task.value } }
            try await turnUntil { Hub.counts.greenThreads == 1 && gate.waiting == 1 }
            owner.cancel()
            for _ in 0..<3 { try await sleep(for: .zero) }
            // As in Swift, `Task.value` keeps waiting. Nothing is orphaned or lost.
            #expect(!owner.isFinished)
            #expect(!task.isCancelled)
            gate.send(1)
            let value = try await owner.wait()
            #expect(value == 1)

            let long = Hub.current!.spawn { try await sleep(for: forever) }
            let linked = GreenThread {
                try awaiting {
                    try await withTaskCancellationHandler {
                        try await long.value
                    } onCancel: {
                        long.cancel()
                    }
                }
            }
            try await turnUntil { Hub.counts.greenThreads == 1 && Hub.counts.timers == 1 }
            linked.cancel()
            await #expect(throws: TandemError(.threadCancelled, "")) { try await linked.wait() }
            #expect(long.isCancelled)
        }
    }

    @Test func `tasks and green threads made within a bridge may outlive it`() async throws {
        try await onHub {
            let gate = Event<Void>()
            let (task, plain, thread) = try await blocking {
                try awaiting {
                    (
                        Hub.current!.spawn {
                            try await gate.wait()
                            return try await blocking { try GreenThread { 1 }.wait() }
                        },
                        Task {
                            try await gate.wait()
                            return try await blocking {
                                try awaiting {
                                    await Task.yield(); return 2
                                }
                            }
                        },
                        GreenThread {
                            try gate.wait()
                            return try awaiting {
                                await Task.yield(); return 3
                            }
                        }
                    )
                }
            }
            gate.send(())
            let values = [try await task.value, try await plain.value, try await thread.wait()]
            #expect(values == [1, 2, 3])
        }
    }

    @Test func `cancelling a thread that has ended or failed unobserved has no effect`() async throws {
        try await onHub {
            let ended = GreenThread { 7 }
            GreenThread { throw Failure() }
            #expect(try await ended.wait() == 7)
            for _ in 0..<2 { ended.cancel() }
            #expect(try await ended.wait() == 7)
            let unstarted = GreenThread { Issue.record("ran") }
            for _ in 0..<3 { unstarted.cancel() }
            await #expect(throws: TandemError(.threadCancelled, "")) { try await unstarted.wait() }
            let later = try await GreenThread {
                try sleep(for: .zero); return 8
            }.wait()
            #expect(later == 8)
        }
    }

    // MARK: Alternating styles

    @Test func `four tasks alternate a hundred times between a bridge and a plain await`() async throws {
        try await onHub {
            let rounds = Counter()
            try await withThrowingTaskGroup { group in
                for _ in 0..<4 {
                    group.addTask {
                        for _ in 0..<100 {
                            try await blocking { try awaiting { await Task.yield() } }
                            await Task.yield()
                            rounds.add()
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(rounds.value == 400)
            #expect(Hub.counts.greenThreadsHighWater <= 4)
        }
    }

    @Test func `a blocking echo server and client over async reads end with their task group`() async throws {
        try await onHub {
            let (near, far) = try descriptorPair()
            let ends = Loan((near: near, far: far))
            let echoed = Recorder<String>()
            await withTaskGroup { group in
                group.addTask {
                    try? await blocking {
                        while true {
                            let text = try awaiting { try await ends.value.far.receive() }
                            try ends.value.far.send(text)
                        }
                    }
                }
                group.addTask {
                    try? await blocking {
                        for number in 0..<20 {
                            try ends.value.near.send("\(number)")
                            echoed.add(try awaiting { try await ends.value.near.receive() })
                        }
                    }
                }
                await group.next()
                group.cancelAll()
            }
            #expect(echoed.all == (0..<20).map { "\($0)" })
            near.close()
            far.close()
        }
    }

    @Test func `a bridge within a catch block leaves the caught error unchanged`() async throws {
        try await onHub {
            let failure = FailureObject()
            await #expect {
                try await blocking {
                    do { throw failure } catch {
                        try awaiting { await Task.yield() }
                        #expect(throws: Failure(number: 2)) { try awaiting { throw Failure(number: 2) } }
                        throw error
                    }
                }
            } throws: {
                $0 as? FailureObject === failure
            }
        }
    }

    // MARK: Callers

    @Test func `asking for the current green thread is legal everywhere`() async throws {
        #expect(GreenThreadIdentity.current == nil)
        #expect(try await onThread { GreenThreadIdentity.current == nil })
        try await onHub {
            #expect(GreenThreadIdentity.current == nil)
            var seen: Int?? = .none
            let timer = HubTimer(on: Hub.current!) { seen = .some(GreenThreadIdentity.current) }
            timer.arm(.after(.zero))
            try await turnUntil { seen != nil }
            withExtendedLifetime(timer) {}
            #expect(seen == .some(nil))
            #expect(await blocking { GreenThreadIdentity.current != nil })
            // A task that runs on top of a green stack has no stack to park. The call throws, and asking does not.
            try await blocking {
                let task = Task.immediate(executorPreference: Hub.current!) {
                    _ = GreenThreadIdentity.current
                    #expect(throws: TandemError(.wrongTask, "")) { try synchronously { try awaiting { await Task.yield() } } }
                }
                _ = try awaiting { await task.result }
            }
        }
    }

    private actor Counting {
        var count = 0
        func blockDirectly() throws {
            count += 1
            try Tandem.sleep(for: .microseconds(1))
        }
        func bridge() async throws -> Int {
            count += 1
            // Code on a green stack may call back the actor that it came from: the actor is free meanwhile.
            return try await blocking { try awaiting { try await self.again() } }
        }
        func again() async throws -> Int {
            try await sleep(for: .zero)
            count += 1
            return count
        }
    }

    @Test func `an actor's method blocks only through a bridge, and may be called back from it`()
        async throws
    {
        try await onHub {
            let actor = Counting()
            await #expect(throws: TandemError(.notOnGreenThread, "")) { try await actor.blockDirectly() }
            #expect(try await actor.bridge() == 3)
            let thread = GreenThread { try awaiting { try await actor.bridge() } }
            let count = try await thread.wait()
            #expect(count == 5)
        }
        // From Swift's own pool the bridge moves to a hub and back.
        let count = try await Counting().bridge()
        #expect(count == 2)
    }

    @Test func `two ordinary threads bridge at once, and each bridge may nest`() async throws {
        let (first, second) = (Event<Void>(), Event<Void>())
        async let one = onThread {
            try awaiting {
                first.send(())
                try await second.wait()
                return try await blocking {
                    try awaiting {
                        await Task.yield(); return 1
                    }
                }
            }
        }
        async let two = onThread {
            try awaiting {
                second.send(())
                try await first.wait()
                return try await blocking {
                    try awaiting {
                        await Task.yield(); return 2
                    }
                }
            }
        }
        #expect(try await [one, two] == [1, 2])
    }
}
