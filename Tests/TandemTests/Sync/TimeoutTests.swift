internal import Synchronization
internal import Testing

@testable import Tandem

@Suite(.serialized, .timeLimit(.minutes(1)))
struct TimeoutTests {
    @TaskLocal static var label = "unbound"

    /// `withTimeout` in one of the styles, around a body in the same style.
    private static func timed<Success: Sendable>(
        _ duration: Duration, green: Bool, async: () async throws -> Success, blocking body: () throws -> Success
    ) async throws -> Success {
        if green { return try await blocking { try withTimeout(duration, body) } }
        return try await withTimeout(duration, async)
    }

    private static func isTimeOut(_ error: any Error) -> Bool { (error as? TandemError)?.code == .timedOut }

    @Test(arguments: [false, true])
    func `a body that ends in time delivers its result and leaves no timer`(green: Bool) async throws {
        try await onHub {
            let result = try await Self.timed(.seconds(30), green: green) {
                try await sleep(for: .zero)
                return 7
            } blocking: {
                try sleep(for: .zero)
                return 7
            }
            #expect(result == 7)
        }
    }

    @Test(arguments: [false, true])
    func `a body that takes too long is cancelled at its wait, and waited for`(green: Bool) async throws {
        try await onHub {
            let steps = Recorder<String>()
            let error = await #expect(throws: TandemError.self) {
                try await Self.timed(.milliseconds(5), green: green) {
                    do { try await sleep(for: .seconds(30)) } catch is CancellationError { steps.add("cancelled") }
                    steps.add("unwound")
                    try Task.checkCancellation()
                } blocking: {
                    do { try sleep(for: .seconds(30)) } catch is CancellationError { steps.add("cancelled") }
                    steps.add("unwound")
                    try Task.checkCancellation()
                }
            }
            steps.add("returned")
            #expect(error?.code == .timedOut)
            #expect(error?.message.contains("TimeoutTests.swift") == true)
            #expect(steps.all == ["cancelled", "unwound", "returned"])
            // Only the scope was cancelled.
            #expect(!Task.isCancelled)
            try await sleep(for: .zero)
        }
    }

    @Test(arguments: [false, true])
    func `a body that suppresses the cancellation delivers its result`(green: Bool) async throws {
        try await onHub {
            let result = try await Self.timed(.milliseconds(1), green: green) {
                try? await sleep(for: .seconds(30))
                return "late"
            } blocking: {
                try? sleep(for: .seconds(30))
                return "late"
            }
            #expect(result == "late")
        }
    }

    @Test(arguments: [false, true])
    func `the body's own error is not taken for a timeout`(green: Bool) async throws {
        struct Own: Error {}
        try await onHub {
            await #expect(throws: Own.self) {
                try await Self.timed(.milliseconds(1), green: green) {
                    try? await sleep(for: .seconds(30))
                    throw Own()
                } blocking: {
                    try? sleep(for: .seconds(30))
                    throw Own()
                }
            }
        }
    }

    @Test(arguments: [false, true])
    func `the nested scope that expired throws`(green: Bool) async throws {
        try await onHub {
            let caught = Recorder<String>()
            // The inner scope expires, and the outer body continues.
            try await Self.timed(.seconds(30), green: green) {
                do { try await withTimeout(.milliseconds(1)) { try await sleep(for: .seconds(30)) } } catch {
                    if Self.isTimeOut(error), !Task.isCancelled { caught.add("inner") }
                }
            } blocking: {
                do { try withTimeout(.milliseconds(1)) { try sleep(for: .seconds(30)) } } catch {
                    if Self.isTimeOut(error), !Task.isCancelled { caught.add("inner") }
                }
            }
            // The outer scope expires, and the inner scope is cancelled from outside.
            do {
                try await Self.timed(.milliseconds(1), green: green) {
                    do { try await withTimeout(.seconds(30)) { try await sleep(for: .seconds(30)) } } catch {
                        if error is CancellationError { caught.add("cancelled") }
                        throw error
                    }
                } blocking: {
                    do { try withTimeout(.seconds(30)) { try sleep(for: .seconds(30)) } } catch {
                        if error is CancellationError { caught.add("cancelled") }
                        throw error
                    }
                }
            } catch {
                if Self.isTimeOut(error) { caught.add("outer") }
            }
            #expect(caught.all == ["inner", "cancelled", "outer"])
        }
    }

    @Test(arguments: [false, true])
    func `cancelling the caller is not a timeout`(green: Bool) async throws {
        try await onHub {
            let task = Hub.current!.spawn {
                try await Self.timed(.seconds(30), green: green) {
                    try await sleep(for: .seconds(30))
                } blocking: {
                    try sleep(for: .seconds(30))
                }
            }
            try await sleep(for: .milliseconds(1))
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
        }
    }

    @Test(arguments: [false, true])
    func `a caller that is cancelled while an expired scope unwinds gets its cancellation`(green: Bool) async throws {
        try await onHub {
            for gives in [false, true] {
                let (expired, unwind) = (Event<Void>(), Event<Void>())
                let thread = GreenThread {
                    try awaiting {
                        try await Self.timed(.milliseconds(1), green: green) {
                            do { try await sleep(for: forever) } catch {
                                expired.send(())
                                try await withCancellationShield { try await unwind.wait() }
                                throw error
                            }
                        } blocking: {
                            do { try sleep(for: forever) } catch {
                                expired.send(())
                                try withCancellationShield { try unwind.wait() }
                                throw error
                            }
                        }
                    }
                }
                try await expired.wait()
                if gives { thread.cancel(throwing: Failure(number: 3)) } else { thread.cancel() }
                unwind.send(())
                let error = await #expect(throws: (any Error).self) { try await thread.wait() }
                if gives {
                    #expect(error as? Failure == Failure(number: 3))
                } else {
                    #expect(error as? TandemError == TandemError(.threadCancelled, ""))
                }
            }
        }
    }

    @Test(arguments: [false, true])
    func `cancelling the awaited work from outside is not a timeout`(
        green: Bool
    ) async throws {
        try await onHub {
            let thread = GreenThread { try sleep(for: forever) }
            let waiter = Hub.current!.spawn {
                try await Self.timed(forever, green: green) {
                    try await thread.wait()
                } blocking: {
                    try thread.wait()
                }
            }
            try await turnUntil { thread.completion.waiting == 1 }
            thread.cancel()
            await #expect(throws: TandemError(.threadCancelled, "")) { try await waiter.value }
        }
    }

    @Test(arguments: [false, true])
    func `the body sees the caller's task-locals`(green: Bool) async throws {
        try await onHub {
            try await Self.$label.withValue("bound") {
                let seen = try await Self.timed(.seconds(30), green: green) {
                    Self.label
                } blocking: {
                    Self.label
                }
                #expect(seen == "bound")
            }
        }
    }

    @Test(arguments: [Duration.zero, .seconds(-1), .nanoseconds(-1)])
    func `an expired duration starts the body cancelled`(_ duration: Duration) async throws {
        try await onHub {
            await #expect {
                try await withTimeout(duration) { try await sleep(for: .seconds(30)) }
            } throws: { Self.isTimeOut($0) }
            // The body is cancelled before its first step, and the result of code that does not wait is delivered.
            let sawIt = try await withTimeout(duration) { Task.isCancelled }
            #expect(sawIt && !Task.isCancelled)
        }
    }

    @Test(arguments: [Duration.zero, .seconds(-1)])
    func `an expired duration starts a blocking body cancelled`(_ duration: Duration) async throws {
        try await onHub {
            try await blocking {
                #expect {
                    try withTimeout(duration) { try sleep(for: .seconds(30)) }
                } throws: { Self.isTimeOut($0) }
                let sawIt = try withTimeout(duration) { Task.isCancelled }
                #expect(sawIt && !Task.isCancelled)
                try sleep(for: .zero)
            }
        }
    }

    @Test func `the blocking form called directly in async code throws an error with file and line`() async throws {
        try await onHub {
            let error = #expect(throws: TandemError.self) { try synchronously { try withTimeout(.seconds(1)) {} } }
            #expect(error?.code == .notOnGreenThread)
            #expect(error?.message.contains("TimeoutTests.swift") == true)
        }
    }

    @Test func `each style has its own form, even when the body does not wait`() async throws {
        try await onHub {
            let asynchronous = try await withTimeout(forever) { GreenThreadIdentity.current == nil }
            let green = try await blocking { try withTimeout(forever) { GreenThreadIdentity.current != nil } }
            #expect(asynchronous && green)
        }
    }

    @Test func `OS threads and tasks outside any hub may use it`() async throws {
        let onThread = try await onThread { try withTimeout(.seconds(30)) { 1 } }
        let offHub = try await withTimeout(.seconds(30)) {
            await Task.yield(); return 2
        }
        #expect((onThread, offHub) == (1, 2))
        await #expect { try await withTimeout(.milliseconds(1)) { try await sleep(for: .seconds(30)) } } throws: {
            Self.isTimeOut($0)
        }
    }

    @Test(arguments: [1, 2, 3])
    func `random scopes at random depths leave nothing behind`(seed: UInt64) async throws {
        try await onHub {
            var random = SeededGenerator(seed: seed)
            let outcomes = Mutex((timeOuts: 0, values: 0))
            for number in 0..<300 {
                let pause = Int.random(in: 0...100, using: &random)
                let limits = (0..<Int.random(in: 1...4, using: &random)).map { level in
                    // On any machine some scopes expire and some do not.
                    switch number % 3 {
                    case 0: level == 0 ? 0 : 100
                    case 1: 3_600_000
                    default: Int.random(in: 0...100, using: &random)
                    }
                }
                let green = Bool.random(using: &random)
                Hub.current!.spawn {
                    do {
                        try await Self.nested(limits[...], pause: pause, green: green)
                        outcomes.withLock { $0.values += 1 }
                    } catch {
                        #expect(Self.isTimeOut(error))
                        outcomes.withLock { $0.timeOuts += 1 }
                    }
                }
            }
            try await turnUntil { outcomes.withLock { $0.timeOuts + $0.values } == 300 }
            try await turnUntil { Hub.current!.statistics.tasks == 0 }
            #expect(outcomes.withLock { min($0.timeOuts, $0.values) } > 0)
        }
    }

    /// Runs nested scopes in alternating styles.
    private static func nested(_ limits: ArraySlice<Int>, pause: Int, green: Bool) async throws {
        guard let limit = limits.first else { return try await sleep(for: .milliseconds(pause)) }
        try await timed(.milliseconds(limit), green: green) {
            try await nested(limits.dropFirst(), pause: pause, green: !green)
        } blocking: {
            try awaiting { try await nested(limits.dropFirst(), pause: pause, green: !green) }
        }
    }
}
