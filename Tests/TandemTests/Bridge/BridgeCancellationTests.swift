internal import Testing

@testable import Tandem

/// Cancels and timeouts around a bridge, where other libraries leave work running or lose its result.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct BridgeCancellationTests {
    @Test func `an operation that cancels its own green thread runs until its next suspension`() async throws {
        try await onHub {
            let itself = Event<GreenThread<Void>>()
            let log = Recorder<String>()
            let thread = GreenThread<Void> {
                let thread = try itself.wait()
                try awaiting {
                    thread.cancel()
                    log.add("same stretch")
                    do { try await sleep(for: forever) } catch {
                        log.add("\(error)")
                        throw error
                    }
                }
                log.add("after")
            }
            itself.send(thread)
            let waiters = (0..<2).map { _ in Hub.current!.spawn { try await thread.wait() } }
            await #expect(throws: TandemError(.threadCancelled, "")) { try await thread.wait() }
            for waiter in waiters { await #expect(throws: TandemError(.threadCancelled, "")) { try await waiter.value } }
            #expect(log.all == ["same stretch", "CancellationError()"])
        }
    }

    /// How the innermost code responds to its cancellation.
    enum Answer: CaseIterable, Sendable { case rethrown, translated, succeeded }

    @Test(arguments: Answer.allCases, [1, 2, 5])
    func `the callee's response to a cancellation reaches every level and the waiter`(answer: Answer, levels: Int)
        async throws
    {
        try await onHub {
            let failure = FailureObject()
            let entered = Event<Void>()
            let seen = Counter()
            @Sendable func asynchronous(_ level: Int) async throws -> Int {
                if level > 0 { return try await blocking { try synchronous(level - 1) } }
                // The cancel arrives at the second wait.
                try await sleep(for: .zero)
                entered.send(())
                do { try await sleep(for: forever) } catch {
                    seen.add()
                    switch answer {
                    case .rethrown: throw error
                    case .translated: throw failure
                    case .succeeded:
                        await Task.yield()
                        return 7
                    }
                }
                return 0
            }
            @Sendable func synchronous(_ level: Int) throws -> Int { try awaiting { try await asynchronous(level) } }
            let thread = GreenThread { try synchronous(levels) }
            try await entered.wait()
            thread.cancel()
            thread.cancel()
            switch answer {
            case .rethrown: await #expect(throws: TandemError(.threadCancelled, "")) { _ = try await thread.wait() }
            case .translated: await #expect { _ = try await thread.wait() } throws: { $0 as? FailureObject === failure }
            case .succeeded:
                let value = try await thread.wait()
                #expect(value == 7)
            }
            #expect(seen.value == 1, "one cancel, however often it was asked for")
        }
    }

    @Test(arguments: [0, 1, 4])
    func `a timeout around a bridge ends only after everything below it has ended`(levels: Int) async throws {
        try await onHub {
            let log = Recorder<String>()
            @Sendable func asynchronous(_ level: Int) async throws {
                defer { log.add("async \(level)") }
                if level > 0 { return try await blocking { try synchronous(level - 1) } }
                do { try await sleep(for: forever) } catch {
                    // Cleanup that takes a while.
                    for _ in 0..<5 { await Task.yield() }
                    throw error
                }
            }
            @Sendable func synchronous(_ level: Int) throws {
                defer { log.add("blocking \(level)") }
                try awaiting { try await asynchronous(level) }
            }
            let below = (0...levels).flatMap { ["async \($0)", "blocking \($0)"] }
            for green in [false, true] {
                let before = log.count
                await #expect(throws: TandemError(.timedOut, "")) {
                    if green {
                        try await blocking { try withTimeout(.milliseconds(5)) { try synchronous(levels) } }
                    } else {
                        try await withTimeout(.milliseconds(5)) { try await blocking { try synchronous(levels) } }
                    }
                }
                #expect(Array(log.all.dropFirst(before)) == below)
                #expect(Hub.counts.greenThreads == 0)
                #expect(Hub.counts.timers == 0)
            }
        }
    }

    @Test(arguments: [false, true])
    func `a timeout around a wait for a green thread ends the wait and leaves the thread running`(green: Bool)
        async throws
    {
        try await onHub {
            let gate = Event<Int>()
            let thread = GreenThread { try gate.wait() }
            await #expect(throws: TandemError(.timedOut, "")) {
                if green {
                    _ = try await blocking { try withTimeout(.milliseconds(2)) { try thread.wait() } }
                } else {
                    _ = try await withTimeout(.milliseconds(2)) { try await thread.wait() }
                }
            }
            #expect(!thread.isFinished)
            gate.send(4)
            let value = try await thread.wait()
            #expect(value == 4)
        }
    }

    @Test func `a scope treats the deadline of an inner wait like any other error`() async throws {
        try await onHub {
            let event = Event<Void>()
            let inner = await #expect(throws: TandemError.self) {
                try await withTimeout(forever) { try await blocking { try event.wait(deadline: .after(.milliseconds(1))) } }
            }
            #expect(inner?.code == .timedOut)
            #expect(inner?.message.contains("withTimeout") == false, "the wait's own words")
            let value = try await withTimeout(.seconds(Int64.max)) {
                try await blocking {
                    try sleep(for: .zero); return 1
                }
            }
            #expect(value == 1, "longer than the clock can count: no timeout")
        }
    }

    @Test(arguments: [false, true])
    func `of two waiters for one green thread the cancelled one leaves thread and other waiter alone`(green: Bool) async throws {
        try await onHub {
            let log = Recorder<String>()
            let gate = Event<String>()
            let thread = GreenThread {
                defer { log.add("thread ended") }
                return try awaiting { try await gate.wait() }
            }
            let waiters = (0..<2).map { _ in
                Hub.current!.spawn { green ? try await blocking { try thread.wait() } : try await thread.wait() }
            }
            try await turnUntilParked(3)
            waiters[0].cancel()
            await #expect(throws: CancellationError.self) { _ = try await waiters[0].value }
            #expect(log.all == [])
            gate.send("value")
            #expect(try await waiters[1].value == "value")
        }
    }

    /// As when a client disconnects: the outermost task is cancelled.
    @Test(arguments: [1, 2, 5], [false, true])
    func `shielded code below any number of bridges completes, and every level above sees the cancel`(levels: Int, green: Bool)
        async throws
    {
        try await onHub {
            let (gate, log) = (Event<Int>(), Recorder<String>())
            @Sendable func asynchronous(_ level: Int) async throws -> Int {
                if level > 0 { return try await blocking { try synchronous(level - 1) } }
                let value = try await withCancellationShield { try await gate.wait() }
                log.add("shielded \(value)")
                try Task.checkCancellation()
                return value
            }
            @Sendable func synchronous(_ level: Int) throws -> Int {
                if level > 0 {
                    defer { log.add("cancelled: \(Task.isCancelled)") }
                    return try awaiting { try await asynchronous(level - 1) }
                }
                let value = try withCancellationShield { try gate.wait() }
                log.add("shielded \(value)")
                try Task.checkCancellation()
                return value
            }
            let request = Hub.current!.spawn {
                if green { try await blocking { try synchronous(levels) } } else { try await asynchronous(levels) }
            }
            try await turnUntil { gate.waiting == 1 }
            request.cancel()
            for _ in 0..<5 { try await sleep(for: .zero) }
            #expect(log.all == [], "nobody has gone on")
            gate.send(6)
            await #expect(throws: CancellationError.self) { _ = try await request.value }
            #expect(log.all.first == "shielded 6")
            #expect(log.all.dropFirst().allSatisfy { $0 == "cancelled: true" })
        }
    }

    @Test func `async code sees a cancel with an error as a cancellation, and the waiter gets the error`()
        async throws
    {
        try await onHub {
            let failure = FailureObject()
            let (entered, ended) = (Event<Void>(), Recorder<String>())
            let thread = GreenThread {
                try awaiting {
                    try await blocking {
                        try awaiting {
                            entered.send(())
                            // Swift's own sleep does not know Tandem's error.
                            do { try await Task.sleep(for: forever) } catch {
                                ended.add("\(type(of: error))")
                                throw error
                            }
                        }
                    }
                }
            }
            try await entered.wait()
            thread.cancel(throwing: failure)
            await #expect { try await thread.wait() } throws: { $0 as? FailureObject === failure }
            // It is not an orphan: it had ended before the waiter resumed.
            #expect(ended.all == ["CancellationError"])
        }
    }
}
