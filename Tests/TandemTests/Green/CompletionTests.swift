internal import Testing

@testable import Tandem

@Suite(.serialized, .timeLimit(.minutes(1)))
struct CompletionTests {
    @Test func `a handler is called once, with the value or the error, on the hub where the thread ended`() async throws {
        try await onHub {
            let home = GreenThreadIdentity.osThread
            let failure = FailureObject()
            let seen = Recorder<String>()
            let good = GreenThread { 7 }
            good.onCompletion { seen.add("\((try? $0.get()) ?? 0) at home: \(GreenThreadIdentity.osThread == home)") }
            let bad = GreenThread { throw failure }
            bad.onCompletion { (outcome: Result<Void, any Error>) in
                #expect { try outcome.get() } throws: { $0 as? FailureObject === failure }
                seen.add("failed")
            }
            #expect(seen.all == [])
            _ = try await good.wait()
            _ = try? await bad.wait()
            #expect(seen.all == ["7 at home: true", "failed"])
        }
    }

    @Test func `handlers are called in the order of linking, before waiters resume`() async throws {
        try await onHub {
            let log = Recorder<String>()
            let gate = Event<Void>()
            let thread = GreenThread { try gate.wait() }
            let waiters = [
                Hub.current!.spawn {
                    try await thread.wait(); log.add("async")
                },
                Hub.current!.spawn {
                    try await blocking {
                        try thread.wait(); log.add("green")
                    }
                },
                Hub.current!.spawn {
                    try await onThread {
                        try thread.wait(); log.add("OS thread")
                    }
                },
            ]
            try await turnUntil { thread.completion.waiting == 3 }
            for number in 0..<3 { thread.onCompletion { _ in log.add("\(number)") } }
            gate.send(())
            for waiter in waiters { try await waiter.value }
            #expect(log.all.prefix(3) == ["0", "1", "2"])
            #expect(log.count == 6)
        }
    }

    @Test func `a handler linked to a thread that has ended is called at once, by the caller`() async throws {
        try await onHub {
            let thread = GreenThread { 1 }
            _ = try await thread.wait()
            let seen = Recorder<Int>()
            let link = thread.onCompletion { _ in seen.add(GreenThreadIdentity.osThread) }
            #expect(seen.all == [GreenThreadIdentity.osThread])
            #expect(!link.unlink())
            let elsewhere = try await onThread {
                thread.onCompletion { _ in seen.add(GreenThreadIdentity.osThread) }
                return GreenThreadIdentity.osThread
            }
            #expect(seen.all.last == elsewhere)
        }
    }

    @Test(arguments: [false, true])
    func `a handler linked by a handler is called after it, without recursion`(hasEnded: Bool) async throws {
        try await onHub {
            let log = Recorder<Int>()
            let thread = GreenThread {}
            if hasEnded { try await thread.wait() }
            @Sendable func linkAgain(_ number: Int) {
                thread.onCompletion { _ in
                    if number < 100_000 { linkAgain(number + 1) }
                    // Linked before that handler is called.
                    if number < 3 || number == 100_000 { log.add(number) }
                }
            }
            // Recursion would overflow this stack.
            try await blocking {
                linkAgain(0)
                try thread.wait()
            }
            #expect(log.all == [0, 1, 2, 100_000])
        }
    }

    @Test func `unlink returns whether the handler was still linked, and then it is never called`() async throws {
        try await onHub {
            let called = Recorder<String>()
            let thread = GreenThread {}
            let kept = thread.onCompletion { _ in called.add("kept") }
            let early = thread.onCompletion { _ in called.add("early") }
            #expect(early.unlink())
            #expect(!early.unlink())
            // An earlier handler unlinks this one.
            let (late, removed) = (Event<CompletionLink>(), Event<Bool>())
            thread.onCompletion { _ in removed.send(try! late.outcome!.get().unlink()) }
            late.send(thread.onCompletion { _ in called.add("late") })
            try await thread.wait()
            #expect(called.all == ["kept"])
            #expect(!kept.unlink())
            #expect(try await removed.wait())
        }
    }

    @Test func `a handler gets the error that wait throws when the body never ran`() async throws {
        try await onHub {
            let errors = Recorder<String>()
            let ran = Counter()
            let threads = (0..<3).map { number in
                GreenThread(name: "victim", after: number == 2 ? forever : .zero) { ran.add() }
            }
            for thread in threads {
                thread.onCompletion { outcome in
                    do { try outcome.get() } catch { errors.add("\(error)") }
                }
            }
            threads[0].cancel()
            threads[1].cancel(throwing: Failure(number: 4))
            try await sleep(for: .zero)
            threads[2].cancel()
            for thread in threads { _ = try? await thread.wait() }
            let cancelled = "green thread 'victim' was cancelled"
            #expect(errors.all == [cancelled, "Failure(number: 4)", cancelled])
            #expect(ran.value == 0)
        }
        // The same holds when the hub had stopped before the thread was created.
        let group = try HubGroup(count: 1)
        await group.shutdown()
        let told = Event<Void>()
        GreenThread(on: group.hubs[0]) {}.onCompletion { told.settle($0) }
        await #expect(throws: TandemError(.hubStopped, "")) { try await told.wait() }
    }

    @Test func `a handler that blocks gets an error, and the thread's outcome is unchanged`() async throws {
        try await onHub {
            let never = Event<Void>()
            let caught = Event<String>()
            let thread = GreenThread { 5 }
            thread.onCompletion { _ in
                do { try never.wait() } catch { caught.send("\((error as? TandemError)!.code)") }
            }
            let (value, code) = (try await thread.wait(), try await caught.wait())
            #expect(value == 5)
            #expect(code == "notOnGreenThread")
        }
    }

    @Test func `each handler linked by other threads during the end is called or unlinked`() async throws {
        try await onHub {
            for _ in 0..<(Sanitizer.any ? 20 : 200) {
                let (called, removed) = (Counter(), Counter())
                let gate = Event<Void>()
                let thread = GreenThread { try gate.wait() }
                try await withThrowingTaskGroup { threads in
                    for _ in 0..<2 {
                        threads.addTask {
                            try await onThread {
                                for number in 0..<50 {
                                    if number == 10 { gate.send(()) }
                                    let link = thread.onCompletion { _ in called.add() }
                                    if number.isMultiple(of: 2), link.unlink() { removed.add() }
                                }
                            }
                        }
                    }
                    try await threads.waitForAll()
                }
                try await thread.wait()
                #expect(called.value + removed.value == 100)
            }
        }
    }
}
