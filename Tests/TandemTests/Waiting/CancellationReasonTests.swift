internal import Testing

@testable import Tandem

/// `cancel(throwing:)`. `CancellationMatrixTests` covers each kind of wait and waiter.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct CancellationReasonTests {
    @Test func `the first cancel decides the error`() async throws {
        try await onHub {
            let first = GreenThread { try sleep(for: forever) }
            first.cancel(throwing: Failure(number: 1))
            first.cancel()
            first.cancel(throwing: Failure(number: 2))
            await #expect(throws: Failure(number: 1)) { try await first.wait() }
            let second = GreenThread { try sleep(for: forever) }
            try await turnUntilParked(1)
            second.cancel()
            second.cancel(throwing: Failure(number: 2))
            await #expect(throws: TandemError(.threadCancelled, "")) { try await second.wait() }
            // The thread has ended, so this has no effect.
            second.cancel(throwing: Failure(number: 3))
            await #expect(throws: TandemError(.threadCancelled, "")) { try await second.wait() }
        }
    }

    @Test func `every later wait throws the same error value, in every style and depth`() async throws {
        try await onHub {
            let failure = FailureObject()
            let caught = Counter()
            @Sendable func expect(_ wait: () throws -> Void) {
                do { try wait() } catch { if error as? FailureObject === failure { caught.add() } }
            }
            let thread = GreenThread {
                expect { try sleep(for: forever) }
                expect { try sleep(for: .zero) }
                expect { try Event<Void>().wait() }
                expect { try awaiting { try await sleep(for: forever) } }
                // Foreign async code knows only CancellationError.
                expect { try awaiting { try await Task.sleep(for: forever) } }
                expect { try awaiting { try Task.checkCancellation() } }
                expect {
                    try awaiting {
                        try await blocking {
                            expect { try sleep(for: forever) }
                            try awaiting { try await Event<Void>().wait() }
                        }
                    }
                }
                expect {
                    try withTimeout(forever) {
                        expect { try sleep(for: forever) }
                        try withTimeout(forever) { try awaiting { try await Task.sleep(for: forever) } }
                    }
                }
                // A child task throws CancellationError, which becomes the given error where blocking code waits for it.
                expect {
                    try awaiting {
                        async let child: Void = sleep(for: forever)
                        try await child
                    }
                }
                expect { try checkCancellation() }
                expect { try awaiting { try checkCancellation() } }
            }
            try await turnUntilParked(1)
            thread.cancel(throwing: failure)
            try await thread.wait()
            #expect(caught.value == 13)
        }
    }

    @Test func `other errors cross the bridges unchanged`() async throws {
        try await onHub {
            let thread = GreenThread {
                do { try sleep(for: forever) } catch { try awaiting { throw Failure(number: 2) } }
            }
            try await turnUntilParked(1)
            thread.cancel(throwing: Failure(number: 1))
            await #expect(throws: Failure(number: 2)) { try await thread.wait() }
        }
    }

    @Test func `a body that ends with CancellationError gives its waiters the cancel's error`() async throws {
        try await onHub {
            let thread = GreenThread {
                try? sleep(for: forever)
                try Task.checkCancellation()
            }
            try await turnUntilParked(1)
            thread.cancel(throwing: Failure(number: 1))
            await #expect(throws: Failure(number: 1)) { try await thread.wait() }
        }
    }

    @Test func `threads and shields made by a cancelled thread do not see its error`() async throws {
        try await onHub {
            let inner = Event<GreenThread<Void>>()
            let thread = GreenThread {
                inner.send(GreenThread { try sleep(for: forever) })
                do { try sleep(for: forever) } catch {
                    try withCancellationShield { try sleep(for: .zero) }
                    throw error
                }
            }
            try await turnUntilParked(2)
            thread.cancel(throwing: Failure(number: 1))
            await #expect(throws: Failure(number: 1)) { try await thread.wait() }
            let other = try await inner.wait()
            #expect(!other.isFinished)
            other.cancel()
            await #expect(throws: TandemError(.threadCancelled, "")) { try await other.wait() }
        }
    }

    @Test func `a cancel from another thread works before, during and after a park`() async throws {
        try await onHub {
            for number in 0..<300 {
                let entered = Event<Void>()
                let thread = GreenThread {
                    entered.send(())
                    if number.isMultiple(of: 2) { try awaiting { try await Task.sleep(for: forever) } }
                    try withTimeout(forever) { try sleep(for: forever) }
                }
                startThread {
                    if number.isMultiple(of: 3) { _ = try? entered.wait() }
                    thread.cancel(throwing: Failure(number: number))
                }
                await #expect(throws: Failure(number: number)) { try await thread.wait() }
            }
        }
    }

    @Test func `a pool member gets the error, even when it runs inline in a cancelled thread`() async throws {
        try await onHub {
            let pool = GreenPool(limit: 1)
            let (inner, outer) = (Event<GreenThread<Void>>(), Event<GreenThread<Void>>())
            outer.send(
                try await pool.spawn {
                    inner.send(try pool.spawn { try sleep(for: forever) })
                })
            try await turnUntilParked(1)
            try await outer.wait().cancel(throwing: Failure(number: 1))
            try await outer.wait().wait()
            await #expect(throws: Failure(number: 1)) { try await inner.wait().wait() }
            #expect(pool.running == 0)
        }
    }

    @Test func `a CancellationError without a cancel reaches the waiters at once`() async throws {
        #expect(throws: Never.self) { try checkCancellation() }
        let task = Task { () -> String in
            withUnsafeCurrentTask { $0!.cancel() }
            do { try checkCancellation() } catch { return "\(error)" }
            return ""
        }
        #expect(await task.value == "CancellationError()")
    }
}
