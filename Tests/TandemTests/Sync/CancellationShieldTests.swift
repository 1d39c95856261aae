internal import Glibc
internal import Testing

@testable import Tandem

@Suite(.serialized, .timeLimit(.minutes(1)))
struct CancellationShieldTests {
    /// `withCancellationShield` in one of the styles, around a body in the same style.
    private static func shielded<Success: Sendable>(
        green: Bool, async: () async throws -> Success, blocking body: () throws -> Success
    ) async throws -> Success {
        if green { return try await blocking { try withCancellationShield(body) } }
        return try await withCancellationShield(async)
    }

    @Test(arguments: [false, true])
    func `code inside does not see the cancellation, code after it does`(green: Bool) async throws {
        try await onHub {
            let log = Recorder<String>()
            let task = Hub.current!.spawn {
                try? await sleep(for: forever)
                log.add("before: \(Task.isCancelled)")
                try await Self.shielded(green: green) {
                    try await sleep(for: .milliseconds(1))
                    try await Task.sleep(for: .milliseconds(1))
                    try await GreenThread {}.wait()
                    log.add("inside: \(Task.isCancelled)")
                } blocking: {
                    try sleep(for: .milliseconds(1))
                    try awaiting { try await Task.sleep(for: .milliseconds(1)) }
                    try GreenThread {}.wait()
                    log.add("inside: \(Task.isCancelled)")
                }
                log.add("after: \(Task.isCancelled)")
                try await sleep(for: .zero)
            }
            try await turnUntilParked(1)
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            #expect(log.all == ["before: true", "inside: false", "after: true"])
        }
    }

    @Test(arguments: [false, true])
    func `a cancel during the shield ends no wait inside, and the next wait outside`(green: Bool) async throws {
        try await onHub {
            let gate = Event<Int>()
            let seen = Event<Int>()
            let thread = GreenThread {
                let value = try awaiting {
                    try await Self.shielded(green: green) {
                        try await gate.wait()
                    } blocking: {
                        try gate.wait()
                    }
                }
                seen.send(value)
                try sleep(for: forever)
            }
            try await turnUntilParked(1)
            thread.cancel(throwing: Failure(number: 1))
            for _ in 0..<3 { try await sleep(for: .zero) }
            #expect(!thread.isFinished)
            gate.send(8)
            await #expect(throws: Failure(number: 1)) { try await thread.wait() }
            let value = try await seen.wait()
            #expect(value == 8)
        }
    }

    @Test(arguments: [false, true])
    func `a timeout inside works, and one around the shield takes effect after it`(green: Bool) async throws {
        try await onHub {
            let steps = Recorder<String>()
            await #expect(throws: TandemError(.timedOut, "")) {
                try await withTimeout(.milliseconds(1)) {
                    try await Self.shielded(green: green) {
                        do { try await withTimeout(.milliseconds(5)) { try await sleep(for: forever) } } catch {
                            steps.add("\((error as? TandemError)!.code)")
                        }
                        try await sleep(for: .milliseconds(1))
                        steps.add("cancelled inside: \(Task.isCancelled)")
                    } blocking: {
                        do { try withTimeout(.milliseconds(5)) { try sleep(for: forever) } } catch {
                            steps.add("\((error as? TandemError)!.code)")
                        }
                        try sleep(for: .milliseconds(1))
                        steps.add("cancelled inside: \(Task.isCancelled)")
                    }
                    steps.add("left")
                    try await sleep(for: forever)
                }
            }
            #expect(steps.all == ["timedOut", "cancelled inside: false", "left"])
        }
    }

    @Test(arguments: [false, true])
    func `values, errors and task-locals cross nested shields`(green: Bool) async throws {
        try await onHub {
            let failure = FailureObject()
            try await Local.$level.withValue(6) {
                let level = try await Self.shielded(green: green) {
                    await withCancellationShield { () async in Local.level }
                } blocking: {
                    try withCancellationShield { Local.level }
                }
                #expect(level == 6)
            }
            await #expect {
                try await Self.shielded(green: green) {
                    throw failure
                } blocking: {
                    throw failure
                }
            } throws: {
                $0 as? FailureObject === failure
            }
            await #expect(throws: TypedFailure.own(3)) {
                try await withCancellationShield { () async throws(TypedFailure) in throw .own(3) }
            }
        }
    }

    @Test func `each style has its own form, even when the body does not wait`() async throws {
        try await onHub {
            let asynchronous = await withCancellationShield { GreenThreadIdentity.current == nil }
            let green = try await blocking { try withCancellationShield { GreenThreadIdentity.current != nil } }
            #expect(asynchronous && green)
        }
    }

    @Test func `OS threads and tasks outside any hub may use it`() async throws {
        #expect(try await onThread { try withCancellationShield { 1 } } == 1)
        let task = Task {
            withUnsafeCurrentTask { $0!.cancel() }
            return (await withCancellationShield { () async in Task.isCancelled }, Task.isCancelled)
        }
        #expect(await task.value == (false, true))
    }

    @Test func `the blocking form called directly in async code throws an error with file and line`() async throws {
        try await onHub {
            let error = #expect(throws: TandemError.self) { try synchronously { try withCancellationShield {} } }
            #expect(error?.code == .notOnGreenThread)
            #expect(error?.message.contains("CancellationShieldTests.swift") == true)
        }
    }

    @Test(arguments: [false, true])
    func `a stopping hub waits for a shield in a task that it does not know`(green: Bool) async throws {
        let log = Recorder<String>()
        try await onThread {
            try Hub.run {
                let entered = Event<Void>()
                // Not spawned by the hub: without the shield a stop would not wait for it.
                Task(executorPreference: Hub.current!) {
                    try await Self.shielded(green: green) {
                        entered.send(())
                        for _ in 0..<3 { try await sleep(for: .milliseconds(1)) }
                        log.add("cleaned up")
                    } blocking: {
                        entered.send(())
                        for _ in 0..<3 { try sleep(for: .milliseconds(1)) }
                        log.add("cleaned up")
                    }
                }
                try await entered.wait()
            }
            log.add("stopped")
        }
        #expect(log.all == ["cleaned up", "stopped"])
    }

    @Test func `cleanup that begins while the hub stops runs to its end`() async throws {
        let log = Recorder<String>()
        try await onThread {
            try Hub.run {
                let entered = Event<Void>()
                GreenThread {
                    entered.send(())
                    do { try sleep(for: forever) } catch {
                        try withCancellationShield { try sleep(for: .milliseconds(2)) }
                        log.add("cleaned up")
                    }
                }
                try await entered.wait()
            }
            log.add("stopped")
        }
        #expect(log.all == ["cleaned up", "stopped"])
    }

    @Test func `a shield that outlives the grace is reported, and does not keep the hub`() async throws {
        let result = await #expect(processExitsWith: .exitCode(7), observing: [\.standardErrorContent]) {
            try await onThread {
                var configuration = HubConfiguration()
                configuration.stopGrace = .milliseconds(20)
                try Hub.run(configuration) {
                    Task(executorPreference: Hub.current!) { try await withCancellationShield { try await sleep(for: forever) } }
                    try await turnUntil { Hub.counts.waits == 1 }
                }
                exit(7)
            }
        }
        let said = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(said.contains("stopped with 1 task(s) that did not end when cancelled: cancellation shield"))
    }
}
