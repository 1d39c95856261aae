internal import Testing

@testable import Tandem

/// Initializers and deinits that wait, and deinits that use the object that releases them.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct LifetimeTests {
    /// Waits in both styles in its initializer and in its deinit.
    private final class Waits {
        let log: Recorder<String>

        init(_ log: Recorder<String>) throws {
            self.log = log
            try Tandem.sleep(for: .microseconds(1))
            log.add(
                try awaiting {
                    await Task.yield(); return "made"
                })
        }

        deinit {
            do {
                try Tandem.sleep(for: .microseconds(1))
                log.add(
                    try awaiting {
                        await Task.yield(); return "gone"
                    })
            } catch {
                log.add("\((error as? TandemError)?.code.description ?? "\(error)")")
            }
        }
    }

    @Test func `a green thread with linked handlers is released when it has ended`() async throws {
        try await onHub {
            let called = Counter()
            var thread: GreenThread<Int>? = GreenThread { 7 }
            weak let released = thread
            for _ in 0..<3 { thread!.onCompletion { _ in called.add() } }
            #expect(try await thread!.wait() == 7)
            thread!.onCompletion { _ in called.add() }
            thread = nil
            // Its task ends in this turn or the next.
            for _ in 0..<3 { try await sleep(for: .zero) }
            #expect(called.value == 4)
            #expect(released == nil)
        }
    }

    @Test func `an initializer and a deinit on a green thread may wait while others run`() async throws {
        try await onHub {
            let log = Recorder<String>()
            let other = GreenThread { for _ in 0..<4 { try sleep(for: .zero) } }
            try await blocking {
                withExtendedLifetime(try Waits(log)) {}
                log.add("on")
            }
            try await other.wait()
            #expect(log.all == ["made", "gone", "on"])
        }
    }

    @Test func `a wait in a deinit throws on the hub's own stack and works on an OS thread`() async throws {
        let log = Recorder<String>()
        try await onHub(hubs: .one("shares its log")) {
            let box = Box<Waits>()
            box.value = try await blocking { Loan(try Waits(log)) }.value
            synchronously { box.value = nil }
        }
        try await onThread { withExtendedLifetime(try Waits(log)) {} }
        #expect(log.all == ["made", "notOnGreenThread", "made", "gone"])
    }

    @Test func `a wait in a deinit throws CancellationError in a cancelled green thread`() async throws {
        try await onHub {
            let log = Recorder<String>()
            let thread = GreenThread {
                let waits = try Waits(log)
                defer { withExtendedLifetime(waits) {} }
                try sleep(for: forever)
            }
            try await turnUntil { log.count == 1 }
            try await turnUntilParked(1)
            thread.cancel()
            await #expect(throws: TandemError(.threadCancelled, "")) { try await thread.wait() }
            #expect(log.all == ["made", "CancellationError()"])
        }
    }

    /// Uses the queue, the event and the semaphore that held it when it is released.
    private final class Reenters: Sendable {
        let queue: Queue<Reenters>
        let event: Event<Reenters>
        let dropped: Counter
        init(_ queue: Queue<Reenters>, _ event: Event<Reenters>, _ dropped: Counter) {
            (self.queue, self.event, self.dropped) = (queue, event, dropped)
        }
        deinit {
            _ = (queue.count, queue.isClosed, event.waiting, event.outcome == nil)
            queue.resize(capacity: queue.capacity)
            dropped.add()
        }
    }

    @Test(arguments: Caller.allCases)
    func `an item may use the queue and the event that release it`(caller: Caller) async throws {
        try await onHub {
            let queue = Queue<Reenters>(capacity: 1)
            let event = Event<Reenters>()
            let dropped = Counter()
            let make = { @Sendable in Reenters(queue, event, dropped) }
            // Taken and released; then refused because the queue is full, the deadline passes, or the queue is closed.
            try await queue.put(make(), caller)
            #expect(try !queue.tryPut(make()))
            await #expect(throws: TandemError(.timedOut, "")) {
                try await queue.put(make(), caller, deadline: .after(.milliseconds(1)))
            }
            _ = try await queue.get(caller)
            try await turnUntil { dropped.value == 3 }
            // Waiting while the queue is closed.
            try await queue.put(make(), caller)
            let putter = Hub.current!.spawn { try await queue.put(make(), caller) }
            try await turnUntil { queue.waitingPutters == 1 }
            queue.close(discarding: true)
            await #expect(throws: TandemError(.closed, "")) { try await putter.value }
            await #expect(throws: TandemError(.closed, "")) { try await queue.put(make(), caller) }
            // The second value sent to an event, and the value that a reset forgets.
            #expect(event.send(make()))
            #expect(!event.send(make()))
            event.reset()
            try await turnUntil { dropped.value == 8 }
        }
    }

    @Test func `an event may be sent, and a permit released, from a deinit on the hub's own stack`() async throws {
        final class Signals {
            let event: Event<Void>
            let semaphore: Semaphore
            init(_ event: Event<Void>, _ semaphore: Semaphore) { (self.event, self.semaphore) = (event, semaphore) }
            deinit {
                semaphore.release()
                event.send(())
            }
        }
        try await onHub {
            let (event, semaphore) = (Event<Void>(), Semaphore(0))
            let waiters = [GreenThread { try event.wait() }, GreenThread { try semaphore.acquire() }]
            try await turnUntilParked(2)
            synchronously { withExtendedLifetime(Signals(event, semaphore)) {} }
            for waiter in waiters { try await waiter.wait() }
        }
    }

    @Test func `a green thread's task-locals, captures and error are released when it has ended`() async throws {
        final class Token: Sendable {
            let gone: Counter
            init(_ gone: Counter) { self.gone = gone }
            deinit { gone.add() }
        }
        enum Bound { @TaskLocal static var token: Token? }
        struct Carries: Error { let token: Token }
        try await onHub {
            let gone = Counter()
            for number in 0..<4 {
                let thread = GreenThread {
                    let held = Token(gone)
                    try Bound.$token.withValue(Token(gone)) {
                        try sleep(for: .zero)
                        if number.isMultiple(of: 2) { throw Carries(token: Token(gone)) }
                    }
                    withExtendedLifetime(held) {}
                }
                do { try await thread.wait() } catch {}
            }
            // Two of each, and the errors.
            try await turnUntil { gone.value == 10 }
        }
    }

    @Test func `a hub local may ask for another one when it is released`() async throws {
        final class Second {
            let dropped: Counter
            init(_ dropped: Counter) { self.dropped = dropped }
            deinit { dropped.add() }
        }
        final class First {
            let dropped: Counter
            init(_ dropped: Counter) { self.dropped = dropped }
            deinit { _ = Hub.current!.local(Second.self) { Second(dropped) } }
        }
        let dropped = Counter()
        try await onThread {
            try Hub.run { _ = Hub.current!.local(First.self) { First(dropped) } }
        }
        #expect(dropped.value == 1)
    }
}
