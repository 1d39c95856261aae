internal import Testing

@testable import Tandem

@Suite(.serialized, .timeLimit(.minutes(1)))
struct AwaitingTests {
    // MARK: On a green thread

    @Test func `the operation runs in the same task, on the hub's own stack`() async throws {
        try await onHub {
            let task = currentTask()
            try await blocking {
                let green = GreenThreadIdentity.current
                try awaiting { () async throws -> Void in
                    #expect(currentTask() == task)
                    #expect(GreenThreadIdentity.current == nil)
                    await Task.yield()
                    #expect(currentTask() == task)
                }
                #expect(GreenThreadIdentity.current == green)
            }
        }
    }

    @Test func `the operation's value is returned, whether it suspends or not`() async throws {
        try await onHub {
            let values = try await blocking {
                [
                    try awaiting { 1 },
                    try awaiting {
                        await Task.yield(); return 2
                    },
                    try awaiting {
                        try await sleep(for: .milliseconds(1)); return 3
                    },
                    try awaiting {
                        try await Task.sleep(for: .milliseconds(1)); return 4
                    },
                    try awaiting { await Task.detached { 5 }.value },
                    try awaiting { await MainActor.run { 6 } },
                ]
            }
            #expect(values == [1, 2, 3, 4, 5, 6])
        }
    }

    @Test func `the same error value is thrown, with its type preserved`() async throws {
        try await onHub {
            try await blocking {
                let failure = FailureObject()
                #expect {
                    try awaiting {
                        await Task.yield()
                        throw failure
                    }
                } throws: {
                    $0 as? FailureObject === failure
                }

                // This compiles only because the call throws exactly this type.
                func typed() throws(TypedFailure) -> Int {
                    try awaiting { () async throws(TypedFailure) -> Int in
                        await Task.yield()
                        throw .own(3)
                    }
                }
                #expect(throws: TypedFailure.own(3)) { try typed() }

                // This one can throw only errors of misuse.
                func total() throws(TandemError) -> Int {
                    try awaiting {
                        await Task.yield(); return 9
                    }
                }
                let nine = try total()
                #expect(nine == 9)
            }
        }
    }

    @Test func `a callee that does not suspend makes no trip through the run queue`() async throws {
        try await onHub {
            let ran = Counter()
            let other = Hub.current!.spawn { ran.add() }
            let before = Hub.counts.turns
            try await blocking {
                var sum = 0
                for number in 1...1_000 { sum += try awaiting { await plusOne(number) } }
                #expect(sum == 501_500)
            }
            #expect(ran.value == 0, "somebody who was ready all the time")
            #expect(Hub.counts.turns == before)
            try await other.value
        }
        @Sendable func plusOne(_ number: Int) async -> Int { number + 1 }
    }

    @Test func `others run while the operation is suspended`() async throws {
        try await onHub {
            let log = Recorder<String>()
            let other = Hub.current!.spawn { log.add("other") }
            try await blocking {
                log.add("before")
                try awaiting { await Task.yield() }
                log.add("after")
            }
            try await other.value
            #expect(log.all == ["before", "other", "after"])
        }
    }

    @Test func `the operation sees the caller's task-locals, and its own bindings end with it`() async throws {
        try await onHub {
            try await blocking {
                try Local.$level.withValue(1) {
                    try awaiting { () async throws -> Void in
                        #expect(Local.level == 1)
                        await Local.$level.withValue(2) {
                            await Task.yield()
                            #expect(Local.level == 2)
                        }
                    }
                    #expect(Local.level == 1)
                }
                #expect(Local.level == 0)
            }
        }
    }

    @Test func `structured children of the operation have ended when it returns`() async throws {
        try await onHub {
            let ended = Counter()
            try await blocking {
                try awaiting {
                    await withTaskGroup { group in
                        for _ in 0..<10 {
                            group.addTask {
                                await Task.yield(); ended.add()
                            }
                        }
                    }
                }
                #expect(ended.value == 10)
            }
        }
    }

    // MARK: Nesting

    @Test(arguments: [false, true])
    func `styles alternate two hundred levels deep, each with its own task-local`(suspends: Bool) async throws {
        @Sendable func asynchronous(_ level: Int) async throws -> [Int] {
            #expect(Local.level == level)
            if suspends { await Task.yield() }
            guard level < 200 else { return [level] }
            let deeper = try await Local.$level.withValue(level + 1) { try await blocking { try synchronous(level + 1) } }
            #expect(Local.level == level)
            return [level] + deeper
        }
        @Sendable func synchronous(_ level: Int) throws -> [Int] {
            #expect(Local.level == level)
            if suspends { try sleep(for: .zero) }
            guard level < 200 else { return [level] }
            let deeper = try Local.$level.withValue(level + 1) { try awaiting { try await asynchronous(level + 1) } }
            #expect(Local.level == level)
            return [level] + deeper
        }
        try await onHub {
            let (fromAsync, fromBlocking) = (try await asynchronous(0), try await blocking { try synchronous(0) })
            #expect(fromAsync == Array(0...200))
            #expect(fromBlocking == Array(0...200))
            #expect(Hub.counts.greenThreadsHighWater == 101)
        }
    }

    @Test func `an error crosses a hundred bridges unchanged`() async throws {
        let failure = FailureObject()
        @Sendable func asynchronous(_ level: Int) async throws { try await blocking { try synchronous(level - 1) } }
        @Sendable func synchronous(_ level: Int) throws {
            guard level > 0 else { throw failure }
            try awaiting { try await asynchronous(level) }
        }
        try await onHub {
            await #expect { try await asynchronous(50) } throws: { $0 as? FailureObject === failure }
        }
    }

    // MARK: Where nothing can be parked

    @Test func `a blocking call directly in async code on a hub throws an error with its line and the remedy`() async throws {
        try await onHub {
            let (a, b) = try descriptorPair()
            defer {
                a.close()
                b.close()
            }
            let event = Event<Void>()
            let thread = GreenThread { try sleep(for: forever) }
            let calls: [(line: Int, call: () throws -> Void)] = [
                (#line, { try awaiting { () async throws -> Void in Issue.record("ran") } }),
                (#line, { try awaiting { () async -> Void in Issue.record("ran") } }),
                (#line, { try sleep(for: .milliseconds(1)) }),
                (#line, { try event.wait() }),
                (#line, { try thread.wait() }),
                (#line, { try Parker().park() }),
                (#line, { try a.wait(for: .readable) }),
                (#line, { _ = try a.read(into: .init(start: nil, count: 0)) }),
                (#line, { try a.write(.init(start: nil, count: 0)) }),
            ]
            for (line, call) in calls {
                let error = #expect(throws: TandemError.self) { try call() }
                #expect(error?.code == .notOnGreenThread)
                let message = error?.message ?? ""
                #expect(message.contains("TandemTests/AwaitingTests.swift:\(line): "))
                #expect(message.contains("await blocking { }"))
            }
            #expect(throws: TypedFailure.misused(TandemError(.notOnGreenThread, ""))) {
                try synchronously { try awaiting { () async throws(TypedFailure) -> Void in Issue.record("ran") } }
            }
            thread.cancel()
            await #expect(throws: TandemError(.threadCancelled, "")) { try await thread.wait() }
        }
    }

    @Test func `blocking calls in a task on Swift's own pool throw instead of hanging`() async {
        let event = Event<Void>()
        let calls: [() throws -> Void] = [
            { try awaiting { () async -> Void in } }, { try event.wait() }, { try sleep(for: .milliseconds(1)) },
        ]
        for call in calls {
            #expect(throws: TandemError(.notOnGreenThread, "")) { try call() }
        }
    }

    @Test func `blocking calls in the hub's callbacks throw`() async throws {
        try await onHub {
            var outcome: Result<Void, any Error>?
            let timer = HubTimer(on: Hub.current!) { outcome = Result { try awaiting { () async -> Void in } } }
            timer.arm(.after(.zero))
            try await turnUntil { outcome != nil }
            withExtendedLifetime(timer) {}
            #expect(throws: TandemError(.notOnGreenThread, "")) { try outcome?.get() }
        }
    }

    // MARK: On an ordinary thread

    @Test func `on an ordinary thread the thread blocks and the operation runs on a hub`() async throws {
        let green = GreenThread {
            try sleep(for: .milliseconds(5))
            return "green"
        }
        let event = Event<String>()
        let later = Task {
            try await sleep(for: .milliseconds(5))
            event.send("event")
        }
        let values = try await onThread {
            #expect(Hub.current == nil)
            try sleep(for: .zero)
            try sleep(for: .microseconds(10))
            return [
                try awaiting {
                    #expect(Hub.current != nil)
                    try await sleep(for: .milliseconds(1))
                    return "async"
                },
                try green.wait(), try event.wait(),
            ]
        }
        #expect(values == ["async", "green", "event"])
        try await later.value
    }

    @Test func `on an ordinary thread errors, typed errors and deadlines reach the caller`() async throws {
        let failure = FailureObject()
        try await onThread {
            #expect { try awaiting { throw failure } } throws: { $0 as? FailureObject === failure }
            #expect(throws: TypedFailure.own(1)) {
                try awaiting { () async throws(TypedFailure) -> Void in throw .own(1) }
            }
            #expect(throws: TandemError(.timedOut, "")) { try Event<Void>().wait(deadline: .after(.milliseconds(1))) }
        }
    }

    @Test func `on an ordinary thread the operation sees the thread's task-locals`() async throws {
        try await onThread {
            try Local.$level.withValue(8) {
                let level = try awaiting {
                    await Task.yield(); return Local.level
                }
                #expect(level == 8)
            }
        }
    }

    @Test func `a hundred ordinary threads wait at once`() async throws {
        let event = Event<Int>()
        let sum = try await withThrowingTaskGroup { group in
            for _ in 0..<100 { group.addTask { try await onThread { try event.wait() } } }
            event.send(3)
            return try await group.reduce(0, +)
        }
        #expect(sum == 300)
    }

    // MARK: Task.immediate

    @Test func `a task that runs on top of a green thread cannot park its stack`() async throws {
        try await onHub {
            try await blocking {
                for call in [{ try sleep(for: .milliseconds(1)) }, { try awaiting { await Task.yield() } }]
                    as [@Sendable () throws -> Void]
                {
                    let task = Task.immediate(executorPreference: Hub.current!) { try synchronously(call) }
                    #expect(throws: TandemError(.wrongTask, "")) { try awaiting { try await task.value } }
                }
                // The stack itself is unchanged.
                try sleep(for: .zero)
            }
        }
    }

    @Test func `a task that runs on top of a green thread has no green thread of its own`() async throws {
        try await onHub {
            let (own, onTop) = try await blocking {
                let task = Task.immediate(executorPreference: Hub.current!) { GreenThreadIdentity.current }
                return (GreenThreadIdentity.current, try awaiting { await task.value })
            }
            #expect(own != nil)
            #expect(onTop == nil)
        }
    }

    @Test func `a task started on top of a green thread suspends and resumes independently`() async throws {
        try await onHub {
            let (sum, first) = try await blocking {
                let log = Recorder<String>()
                let task = Task.immediate(executorPreference: Hub.current!) {
                    log.add("first segment")
                    try await sleep(for: .microseconds(10))
                    let inner = try await blocking {
                        try sleep(for: .zero); return 20
                    }
                    return inner + 1
                }
                let first = log.all
                try sleep(for: .microseconds(5))
                return (try awaiting { try await task.value }, first)
            }
            #expect(first == ["first segment"], "at once, on the caller's stack")
            #expect(sum == 21)
        }
    }

    /// Only an executable has top-level code: Tests/Support/TopLevel/main.swift.
    @Test func `at a program's top level main-actor code runs while the main thread waits for it`() async throws {
        let directory = CommandLine.arguments[0][...CommandLine.arguments[0].lastIndex(of: "/")!]
        let output = try await onHub { try await HubProcessTests.output(of: "timeout 20 '\(directory)TopLevel' 2>&1") }
        #expect(
            output == """
                closure of the main actor: after 1
                closure of no actor: 3
                main actor from elsewhere: 1
                error: CancellationError()
                within the main queue: notOnGreenThread
                within the main queue, of no actor: waited
                in a task of the main actor: notOnGreenThread
                done

                """)
    }
}
