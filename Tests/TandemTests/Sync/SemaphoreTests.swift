internal import Testing

@testable import Tandem

@Suite(.serialized, .timeLimit(.minutes(1)))
struct SemaphoreTests {
    @Test func `permits are counted, and the non-blocking form takes one or fails`() async throws {
        let semaphore = Semaphore(2, limit: 2)
        #expect([semaphore.tryAcquire(), semaphore.tryAcquire(), semaphore.tryAcquire()] == [true, true, false])
        #expect(semaphore.available == 0)
        semaphore.release()
        semaphore.release()
        #expect(semaphore.available == 2)
        // The unbounded variant may start empty and grow.
        let signals = Semaphore(0)
        signals.release()
        #expect(signals.available == 1)
        try await onHub(hubs: .one("takes permits of the test's own semaphore")) {
            // This runs on the hub's own stack, where nothing can be parked.
            #expect(semaphore.tryAcquire())
            semaphore.release()
        }
    }

    @Test(arguments: Caller.allCases)
    func `a free permit is taken without waiting, another acquire waits for a release`(caller: Caller) async throws {
        try await onHub {
            let semaphore = Semaphore(1)
            try await semaphore.acquire(caller)
            let second = Hub.current!.spawn { try await semaphore.acquire(caller) }
            try await turnUntil { semaphore.waiting == 1 }
            #expect(semaphore.available == 0)
            semaphore.release()
            try await second.value
            #expect(semaphore.available == 0)
            #expect(semaphore.waiting == 0)
        }
    }

    @Test func `waiters of all styles get permits in order of arrival`() async throws {
        try await onHub {
            let semaphore = Semaphore(0)
            let order = Recorder<Int>()
            var waiters: [Task<Void, any Error>] = []
            for number in 0..<30 {
                waiters.append(
                    Hub.current!.spawn {
                        try await semaphore.acquire(Caller.allCases[number % 3])
                        order.add(number)
                        semaphore.release()
                    })
                try await turnUntil { semaphore.waiting == number + 1 }
            }
            semaphore.release()
            // The permit goes straight to the next waiter, and a later caller cannot take it.
            #expect(!semaphore.tryAcquire())
            for waiter in waiters { try await waiter.value }
            #expect(order.all == Array(0..<30))
            #expect(semaphore.available == 1)
        }
    }

    @Test(arguments: Caller.allCases)
    func `a deadline that passes throws timedOut and takes no permit`(caller: Caller) async throws {
        try await onHub {
            let semaphore = Semaphore(0)
            let start = ContinuousClock.now
            await #expect(throws: TandemError(.timedOut, "")) {
                try await semaphore.acquire(caller, deadline: .after(.milliseconds(5)))
            }
            #expect(ContinuousClock.now - start >= .milliseconds(5))
            #expect(semaphore.waiting == 0)
            semaphore.release()
            #expect(semaphore.available == 1)
        }
    }

    @Test(arguments: Caller.cancellable)
    func `a cancelled waiter leaves, and the others stay in order`(caller: Caller) async throws {
        try await onHub {
            let semaphore = Semaphore(0)
            let order = Recorder<Int>()
            var waiters: [Task<Void, any Error>] = []
            for number in 0..<5 {
                waiters.append(
                    Hub.current!.spawn {
                        try await semaphore.acquire(caller)
                        order.add(number)
                    })
                try await turnUntil { semaphore.waiting == number + 1 }
            }
            for number in [0, 2] {
                waiters[number].cancel()
                await #expect(throws: CancellationError.self) { try await waiters[number].value }
            }
            #expect(semaphore.waiting == 3)
            for _ in 0..<3 { semaphore.release() }
            for number in [1, 3, 4] { try await waiters[number].value }
            #expect(order.all == [1, 3, 4])
            #expect(semaphore.available == 0)
        }
    }

    @Test(arguments: Caller.cancellable, [false, true])
    func `a permit that arrives together with a cancellation is not lost`(caller: Caller, cancelFirst: Bool) async throws {
        try await onHub {
            let semaphore = Semaphore(0)
            let waiter = Hub.current!.spawn { try await semaphore.acquire(caller) }
            try await turnUntil { semaphore.waiting == 1 }
            // Both happen before the waiter runs.
            if cancelFirst { waiter.cancel() }
            semaphore.release()
            if !cancelFirst { waiter.cancel() }
            try await waiter.value
            #expect(semaphore.available == 0)
        }
    }

    @Test(arguments: Caller.cancellable)
    func `withPermit returns the permit, even after an error`(caller: Caller) async throws {
        try await onHub {
            let semaphore = Semaphore(1, limit: 1)
            let held = try await caller.call(
                { try await semaphore.withPermit { semaphore.available } },
                blocking: { try semaphore.withPermit { semaphore.available } })
            #expect(held == 0)
            await #expect(throws: Failure()) {
                try await caller.call(
                    { try await semaphore.withPermit { throw Failure() } },
                    blocking: { try semaphore.withPermit { throw Failure() } })
            }
            #expect(semaphore.available == 1)
        }
    }

    @Test func `the blocking form on the hub's own stack throws an error with the remedy and takes nothing`() async throws {
        try await onHub {
            let semaphore = Semaphore(0)
            let error = #expect(throws: TandemError.self) { try synchronously { try semaphore.acquire() } }
            #expect(error?.code == .notOnGreenThread)
            #expect(error?.message.contains("Semaphore.acquire") == true)
            #expect(semaphore.waiting == 0)
        }
    }

    @Test func `releasing a bounded semaphore once too often is a programming error`() async {
        await #expect(processExitsWith: .failure) { Semaphore(1, limit: 1).release() }
        await #expect(processExitsWith: .failure) { _ = Semaphore(-1) }
        await #expect(processExitsWith: .failure) { _ = Semaphore(2, limit: 1) }
    }

    @Test(arguments: Caller.allCases)
    func `an acquire waits on a semaphore without permits until one is released`(caller: Caller) async throws {
        try await onHub {
            let closed = Semaphore(0, limit: 0)
            #expect(!closed.tryAcquire())
            await #expect(throws: TandemError(.timedOut, "")) {
                try await closed.acquire(caller, deadline: .after(.milliseconds(1)))
            }
            let empty = Semaphore(0, limit: 1)
            let waiter = Hub.current!.spawn { try await empty.acquire(caller) }
            try await turnUntil { empty.waiting == 1 }
            empty.release()
            try await waiter.value
            #expect(empty.available == 0)
        }
        await #expect(processExitsWith: .failure) { Semaphore(0, limit: 0).release() }
    }

    @Test func `contenders get about equal shares`() async throws {
        try await onHub {
            let semaphore = Semaphore(1)
            let shares = (0..<4).map { _ in Counter() }
            let contenders = shares.enumerated().map { number, share in
                Hub.current!.spawn {
                    while shares.map(\.value).reduce(0, +) < 4_000 {
                        try await semaphore.acquire(Caller.cancellable[number % 2])
                        share.add()
                        try await sleep(for: .zero)
                        semaphore.release()
                    }
                }
            }
            for contender in contenders { try await contender.value }
            #expect(shares.allSatisfy { (900...1_100).contains($0.value) })
        }
    }
}
