internal import Testing

@testable import Tandem

@Suite(.serialized, .timeLimit(.minutes(1)))
struct BlockingTests {
    @Test func `the body runs on this hub's thread, on a green stack, in the same task`() async throws {
        try await onHub {
            let (thread, task) = (GreenThreadIdentity.osThread, currentTask())
            #expect(GreenThreadIdentity.current == nil)
            await blocking {
                #expect(GreenThreadIdentity.osThread == thread)
                #expect(currentTask() == task)
                #expect(GreenThreadIdentity.current != nil)
                #expect(Hub.counts.greenThreads == 1)
            }
            #expect(GreenThreadIdentity.current == nil)
        }
    }

    @Test func `the body's value is returned, whatever its size`() async throws {
        try await onHub {
            #expect(await blocking { "text" } == "text")
            #expect(await blocking { () -> Int? in nil } == nil)
            let big = await blocking { (1, 2, 3, 4, 5, 6, 7, 8, "nine") }
            #expect(big.7 == 8 && big.8 == "nine")
        }
    }

    @Test func `the same error value is thrown, with its type preserved`() async throws {
        try await onHub {
            let failure = FailureObject()
            await #expect { try await blocking { throw failure } } throws: { $0 as? FailureObject === failure }

            // This compiles only because the call throws exactly this type.
            func typed() async throws(TypedFailure) -> Int {
                try await blocking { () throws(TypedFailure) -> Int in throw .own(3) }
            }
            await #expect(throws: TypedFailure.own(3)) { try await typed() }

            // This one compiles because the call throws nothing.
            func total() async -> Int { await blocking { 1 } }
            #expect(await total() == 1)
        }
    }

    @Test func `others run while the body waits`() async throws {
        try await onHub {
            let log = Recorder<String>()
            let other = Hub.current!.spawn { log.add("other") }
            try await blocking {
                log.add("before")
                try sleep(for: .milliseconds(1))
                log.add("after")
            }
            try await other.value
            #expect(log.all == ["before", "other", "after"])
        }
    }

    @Test func `a body that does not wait runs without interruption and without a turn`() async throws {
        try await onHub {
            let ran = Counter()
            let other = Hub.current!.spawn { ran.add() }
            let before = Hub.counts.turns
            for _ in 0..<1_000 { await blocking {} }
            #expect(ran.value == 0)
            #expect(Hub.counts.turns == before)
            #expect(Hub.counts.greenThreadsHighWater == 1, "one stack, used again")
            try await other.value
        }
    }

    @Test func `the body sees the caller's task-locals, and its own bindings end with it`() async throws {
        try await onHub {
            try await Local.$level.withValue(1) {
                try await blocking {
                    #expect(Local.level == 1)
                    try Local.$level.withValue(2) {
                        try sleep(for: .zero)
                        #expect(Local.level == 2)
                    }
                    #expect(Local.level == 1)
                }
                #expect(Local.level == 1)
            }
            #expect(Local.level == 0)
        }
    }

    @Test func `interleaved green threads each see their own task-locals`() async throws {
        try await onHub {
            let threads = (1...20).map { number in
                GreenThread {
                    try Local.$level.withValue(number) {
                        for _ in 0..<50 {
                            try sleep(for: .zero)
                            #expect(Local.level == number)
                        }
                    }
                }
            }
            for thread in threads { try await thread.wait() }
        }
    }

    @Test func `the body has the caller's priority`() async throws {
        try await onHub {
            let hub = Hub.current!
            for priority in [TaskPriority.low, .high] {
                let seen = await Task(executorPreference: hub, priority: priority) { await blocking { Task.basePriority } }.value
                #expect(seen == priority)
            }
        }
    }

    @Test func `bodies of several child tasks wait at the same time`() async throws {
        try await onHub {
            let sum = try await withThrowingTaskGroup { group in
                for number in 1...100 {
                    group.addTask {
                        try await blocking {
                            try sleep(for: .microseconds(100))
                            return number
                        }
                    }
                }
                return try await group.reduce(0, +)
            }
            #expect(sum == 5050)
            #expect(Hub.counts.greenThreadsHighWater == 100)
        }
    }

    // MARK: Off the hub

    @Test func `from Swift's own pool the body runs on a hub with the caller's task-locals`() async throws {
        #expect(Hub.current == nil)
        try await Local.$level.withValue(5) {
            try await blocking {
                #expect(Hub.current != nil)
                #expect(Local.level == 5)
                try sleep(for: .milliseconds(1))
                #expect(GreenThreadIdentity.current != nil)
            }
        }
        #expect(Hub.current == nil, "and the caller is back where it was")
    }

    @MainActor @Test func `from the main actor the body runs on a hub, and the caller resumes on its actor`() async throws {
        let thread = GreenThreadIdentity.osThread
        try await blocking {
            #expect(Hub.current != nil)
            try sleep(for: .milliseconds(1))
        }
        MainActor.assertIsolated()
        #expect(GreenThreadIdentity.osThread == thread)
    }

    private actor Account {
        var balance = 0
        func deposit(_ amount: Int) async throws {
            let added = try await blocking {
                #expect(Hub.current != nil)
                try sleep(for: .milliseconds(1))
                return amount
            }
            assertIsolated()
            balance += added
        }
    }

    @Test func `from an actor the body runs on a hub, and the caller resumes on its actor`() async throws {
        let account = Account()
        try await withThrowingTaskGroup { group in
            for amount in 1...10 { group.addTask { try await account.deposit(amount) } }
            try await group.waitForAll()
        }
        #expect(await account.balance == 55)
    }

    @Test func `from an actor that was called on a hub the body runs on that hub`() async throws {
        try await onHub {
            let account = Account()
            try await account.deposit(1)
            #expect(await account.balance == 1)
            #expect(Hub.counts.greenThreadsHighWater == 1)
        }
    }

    @Test func `errors and cancellation cross the bridge from outside the hub too`() async throws {
        await #expect(throws: Failure(number: 4)) { try await blocking { throw Failure(number: 4) } }
        let entered = Event<Void>()
        let task = Task {
            try await blocking {
                entered.send(())
                try sleep(for: forever)
            }
        }
        try await entered.wait()
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }
}
