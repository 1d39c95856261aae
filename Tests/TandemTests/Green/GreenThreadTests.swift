internal import Glibc
internal import Testing

@testable import Tandem

@Suite(.serialized, .timeLimit(.minutes(1)))
struct GreenThreadTests {
    @Test func `wait returns the same value or throws the same error each time, in both styles`() async throws {
        try await onHub {
            let failure = FailureObject()
            let good = GreenThread {
                try sleep(for: .zero); return 13
            }
            let bad = GreenThread { throw failure }
            #expect(!good.isFinished)
            for _ in 0..<2 {
                let asynchronous = try await good.wait()
                let green = try await blocking { try good.wait() }
                #expect([asynchronous, green] == [13, 13])
                await #expect { try await bad.wait() } throws: { $0 as? FailureObject === failure }
                await #expect { try await blocking { try bad.wait() } } throws: { $0 as? FailureObject === failure }
            }
            #expect(good.isFinished && bad.isFinished)
        }
    }

    @Test func `a green thread starts in the next turn, even when nothing waits for it`() async throws {
        try await onHub {
            let ran = Counter()
            GreenThread { ran.add() }
            #expect(ran.value == 0)
            try await sleep(for: .zero)
            #expect(ran.value == 1)
        }
    }

    @Test func `a green thread sees its creator's task-locals`() async throws {
        try await onHub {
            let thread = Local.$level.withValue(3) { GreenThread { Local.level } }
            #expect(try await thread.wait() == 3)
            let nested = try await blocking {
                try Local.$level.withValue(4) { try GreenThread { try GreenThread { Local.level }.wait() }.wait() }
            }
            #expect(nested == 4)
        }
    }

    @Test func `a green thread runs on its creator's hub, on its own stack`() async throws {
        try await onHub {
            let home = GreenThreadIdentity.osThread
            let (outer, inner) = try await blocking {
                (
                    GreenThreadIdentity.current,
                    try GreenThread { (GreenThreadIdentity.current, GreenThreadIdentity.osThread) }.wait()
                )
            }
            #expect(outer != nil && inner.0 != nil && outer != inner.0)
            #expect(inner.1 == home)
        }
        // Created outside any hub, it runs on a hub of the shared group.
        #expect(try await GreenThread { Hub.current != nil }.wait())
    }

    @Test func `a green thread that is cancelled before its first step never runs`() async throws {
        try await onHub {
            let ran = Counter()
            let thread = GreenThread { ran.add() }
            thread.cancel()
            await #expect(throws: TandemError(.threadCancelled, "")) { try await thread.wait() }
            #expect(ran.value == 0)
        }
    }

    @Test func `waiters of a cancelled thread get threadCancelled with its name`() async throws {
        try await onHub {
            let thread = GreenThread(name: "worker") { try sleep(for: forever) }
            try await turnUntilParked(1)
            let waiters = (0..<4).map { number in
                Hub.current!.spawn {
                    number.isMultiple(of: 2) ? try await thread.wait() : try await blocking { try thread.wait() }
                }
            }
            let elsewhere = Task { try await onThread { try thread.wait() } }
            try await turnUntil { thread.completion.waiting == 5 }
            waiters[0].cancel()
            waiters[1].cancel()
            await #expect(throws: CancellationError.self) { try await waiters[0].value }
            await #expect(throws: CancellationError.self) { try await waiters[1].value }
            thread.cancel()
            for waiter in waiters[2...] + [elsewhere] {
                let error = await #expect(throws: TandemError.self) { try await waiter.value }
                #expect(error?.code == .threadCancelled)
                #expect(error?.message.contains("'worker'") == true)
            }
        }
    }

    @Test func `a body that throws CancellationError counts as cancelled`() async throws {
        try await onHub {
            let thread = GreenThread { throw CancellationError() }
            await #expect(throws: TandemError(.threadCancelled, "")) { try await thread.wait() }
        }
    }

    @Test func `a stopping hub cancels its green threads, and their waiters are told`() async throws {
        let thread = try await onThread {
            try Hub.run {
                let parked = GreenThread { try sleep(for: forever) }
                try await turnUntil { Hub.counts.waits == 1 }
                return parked
            }
        }
        await #expect(throws: TandemError(.threadCancelled, "")) { try await thread.wait() }
        // The hub's stop came first.
        thread.cancel(throwing: Failure())
        #expect(throws: TandemError(.threadCancelled, "")) { try thread.outcome!.get() }
    }

    // MARK: Delayed

    @Test func `a delayed green thread starts after its delay and holds no stack until then`() async throws {
        try await onHub {
            let due = Deadline.after(.milliseconds(5))
            let thread = GreenThread(after: .milliseconds(5)) { Deadline.after(.zero) >= due }
            let task = Hub.current!.spawn(after: .milliseconds(5)) { Deadline.after(.zero) >= due }
            try await turnUntil { Hub.counts.timers == 2 }
            #expect(Hub.counts.greenThreads == 0)
            #expect(try await thread.wait())
            #expect(try await task.value)
        }
    }

    @Test func `a delayed green thread that is cancelled before it starts never runs`() async throws {
        try await onHub {
            let ran = Counter()
            let threads = [
                GreenThread(after: forever) { ran.add() }, GreenThread(after: forever) { ran.add() },
                GreenThread(after: .seconds(-1)) { ran.add() },
            ]
            let task = Hub.current!.spawn(after: forever) { ran.add() }
            threads[2].cancel()
            try await turnUntilParked(3)
            threads[0].cancel()
            threads[1].cancel(throwing: Failure(number: 1))
            task.cancel()
            await #expect(throws: TandemError(.threadCancelled, "")) { try await threads[0].wait() }
            await #expect(throws: Failure(number: 1)) { try await threads[1].wait() }
            await #expect(throws: TandemError(.threadCancelled, "")) { try await threads[2].wait() }
            await #expect(throws: CancellationError.self) { try await task.value }
            #expect(Hub.counts.timers == 0)
            #expect(ran.value == 0)
        }
    }

    @Test func `a stopping hub does not wait for a delay to pass`() async throws {
        let ran = Counter()
        let thread = try await onThread {
            try Hub.run {
                let thread = GreenThread(after: forever) { ran.add() }
                try await turnUntil { Hub.counts.timers == 1 }
                return thread
            }
        }
        await #expect(throws: TandemError(.threadCancelled, "")) { try await thread.wait() }
        #expect(ran.value == 0)
    }

    @Test func `an async task that is cancelled before its first step never runs`() async throws {
        try await onHub {
            let ran = Counter()
            let task = Hub.current!.spawn { ran.add() }
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            #expect(ran.value == 0)
        }
    }

    // MARK: Many

    @Test func `cancelling one of several waiters leaves the thread and the others alone`() async throws {
        try await onHub {
            let gate = Event<Int>()
            let thread = GreenThread { try gate.wait() }
            let waiters = (0..<6).map { number in
                Hub.current!.spawn {
                    number.isMultiple(of: 2) ? try await thread.wait() : try await blocking { try thread.wait() }
                }
            }
            try await turnUntilParked(7)
            waiters[0].cancel()
            waiters[1].cancel()
            await #expect(throws: CancellationError.self) { try await waiters[0].value }
            await #expect(throws: CancellationError.self) { try await waiters[1].value }
            #expect(!thread.isFinished)
            gate.send(5)
            for waiter in waiters[2...] { #expect(try await waiter.value == 5) }
        }
    }

    @Test func `a wait whose deadline passes leaves the thread running`() async throws {
        try await onHub {
            let gate = Event<Int>()
            let thread = GreenThread { try gate.wait() }
            await #expect(throws: TandemError(.timedOut, "")) { try await thread.wait(deadline: .after(.milliseconds(1))) }
            #expect(!thread.isFinished)
            gate.send(6)
            let value = try await thread.wait()
            #expect(value == 6)
        }
    }

    @Test func `a thread may cancel itself, and then cannot wait`() async throws {
        try await onHub {
            let itself = Event<GreenThread<String>>()
            let thread = GreenThread<String> {
                try itself.wait().cancel()
                do { try sleep(for: .zero) } catch is CancellationError { return "at the next wait" }
                return "never"
            }
            itself.send(thread)
            let said = try await thread.wait()
            #expect(said == "at the next wait")
        }
    }

    @Test func `ten thousand green threads are parked at once`() async throws {
        let crowd = Sanitizer.thread ? 1_000 : 10_000
        var configuration = HubConfiguration()
        configuration.stackSize = 32 * 1024
        try await onHub(configuration) {
            let gate = Event<Int>()
            let threads = (0..<crowd).map { number in GreenThread { try gate.wait() + number } }
            try await turnUntilParked(crowd)
            #expect(Hub.counts.greenThreads == crowd)
            #expect(Hub.counts.greenThreadsHighWater == crowd)
            gate.send(1)
            for (number, thread) in threads.enumerated() { #expect(try await thread.wait() == number + 1) }
            #expect(Hub.counts.greenThreads == 0)
            #expect(Hub.counts.greenThreadsHighWater == crowd, "the high-water mark stays")
        }
    }

    @Test func `a hundred thousand green threads leave nothing behind and share a few stacks`() async throws {
        let total = Sanitizer.any ? 10_000 : 100_000
        try await onHub {
            let ended = Counter()
            let stacks = Counter()
            for batch in 0..<(total / 10) {
                let threads = (0..<10).map { number in
                    GreenThread {
                        stacks.add(GreenThreadIdentity.current! <= 10 ? 0 : 1)
                        if (batch + number).isMultiple(of: 7) { try sleep(for: .zero) }
                        ended.add()
                    }
                }
                for thread in threads { try await thread.wait() }
            }
            #expect(ended.value == total)
            #expect(stacks.value == 0)
            #expect(Hub.counts.greenThreadsHighWater <= 10)
        }
    }

    @Test func `ten thousand green threads in a chain pass a value on`() async throws {
        let length = Sanitizer.thread ? 1_000 : 10_000
        var configuration = HubConfiguration()
        configuration.stackSize = 32 * 1024
        try await onHub(configuration) {
            let links = (0...length).map { _ in Event<Int>() }
            for number in (0..<length).reversed() { GreenThread { links[number + 1].send(try links[number].wait() + 1) } }
            try await turnUntilParked(length)
            links[0].send(0)
            let last = try await links[length].wait()
            #expect(last == length)
        }
    }

    /// Rounding modes are per thread for the kernel; here each green thread has its own.
    @Test func `a rounding mode belongs to the green thread that sets it`() async throws {
        try await onHub {
            let changed = GreenThread {
                fesetround(FE_UPWARD)
                for _ in 0..<10 { try sleep(for: .zero) }
                return fegetround()
            }
            let other = GreenThread {
                var seen: Set<CInt> = []
                for _ in 0..<10 {
                    try sleep(for: .zero)
                    seen.insert(fegetround())
                }
                return seen
            }
            let (mode, others) = (try await changed.wait(), try await other.wait())
            #expect(mode == FE_UPWARD)
            #expect(others == [FE_TONEAREST])
            #expect(fegetround() == FE_TONEAREST)
        }
    }

    /// The stack of a thread that set a rounding mode is lent to other threads later.
    @Test func `a rounding mode does not outlive its green thread on a reused stack`() async throws {
        try await onHub {
            let first = await blocking { () -> Int? in
                fesetround(FE_UPWARD)
                return GreenThreadIdentity.current
            }
            let (second, mode) = await blocking { (GreenThreadIdentity.current, fegetround()) }
            #expect(first == second)
            #expect(mode == FE_TONEAREST)
        }
    }
}
