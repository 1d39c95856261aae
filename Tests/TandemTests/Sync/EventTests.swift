internal import Testing

@testable import Tandem

@Suite(.serialized, .timeLimit(.minutes(1)))
struct EventTests {
    @Test func `an event is sent once, and the first outcome stays`() {
        let event = Event<Int>()
        #expect(event.outcome == nil)
        #expect(event.send(1))
        #expect(!event.send(2))
        #expect(!event.fail(Failure()))
        #expect(throws: Never.self) { try #expect(event.outcome?.get() == 1) }
    }

    @Test func `waiting for a sent event returns at once, in every style`() async throws {
        let event = Event<Int>()
        event.send(7)
        try await onHub {
            let before = Hub.counts.turns
            let asynchronous = try await event.wait()
            let green = try await blocking { try event.wait() }
            // Nothing has to park, so this is legal.
            let direct = try synchronously { try event.wait() }
            #expect([asynchronous, green, direct] == [7, 7, 7])
            #expect(Hub.counts.turns == before)
        }
        #expect(try await event.wait() == 7)
        #expect(try await onThread { try event.wait() } == 7)
    }

    @Test func `all waiters get the value, in every style and on every hub`() async throws {
        let event = Event<Int>()
        let group = try HubGroup(count: 2)
        try await onHub(hubs: .one("counts the waiters of the test's own event")) {
            let sum = try await withThrowingTaskGroup { tasks in
                for hub in group.hubs + [Hub.current!] {
                    for _ in 0..<10 {
                        tasks.addTask { try await hub.spawn { try await event.wait() }.value }
                        tasks.addTask { try await GreenThread(on: hub) { try event.wait() }.wait() }
                    }
                }
                for _ in 0..<5 { tasks.addTask { try await onThread { try event.wait() } } }
                tasks.addTask { try await Task.detached { try await event.wait() }.value }
                // On this hub: ten of each style, and the waiters for the green threads of all three hubs.
                try await turnUntilParked(10 + 10 + 30)
                event.send(2)
                return try await tasks.reduce(0, +)
            }
            #expect(sum == 2 * 66)
        }
        await group.shutdown()
    }

    @Test func `all waiters get the same error`() async throws {
        let event = Event<Int>()
        let failure = FailureObject()
        try await onHub(hubs: .one("counts the waiters of the test's own event")) {
            let waiters = (0..<10).map { number in
                Hub.current!.spawn { number.isMultiple(of: 2) ? try await event.wait() : try await blocking { try event.wait() } }
            }
            try await turnUntilParked(10)
            event.fail(failure)
            for waiter in waiters {
                await #expect { try await waiter.value } throws: { $0 as? FailureObject === failure }
            }
        }
    }

    @Test func `cancelling a waiter leaves the others waiting`() async throws {
        try await onHub {
            let event = Event<Int>()
            let waiters = (0..<10).map { number in
                Hub.current!.spawn { number.isMultiple(of: 2) ? try await event.wait() : try await blocking { try event.wait() } }
            }
            try await turnUntilParked(10)
            waiters[4].cancel()
            waiters[7].cancel()
            await #expect(throws: CancellationError.self) { try await waiters[4].value }
            await #expect(throws: CancellationError.self) { try await waiters[7].value }
            event.send(1)
            for number in [0, 1, 2, 3, 5, 6, 8, 9] { #expect(try await waiters[number].value == 1) }
        }
    }

    @Test func `a value sent after the cancel, before the waiter runs, is not lost`() async throws {
        try await onHub {
            let event = Event<Int>()
            let waiter = GreenThread { try event.wait() }
            try await turnUntilParked(1)
            waiter.cancel()
            event.send(3)
            let value = try await waiter.wait()
            #expect(value == 3)
        }
    }

    @Test(arguments: [false, true])
    func `a deadline that passes throws timedOut and removes the waiter`(green: Bool) async throws {
        try await onHub {
            let event = Event<Int>()
            await #expect(throws: TandemError(.timedOut, "")) {
                if green {
                    _ = try await blocking { try event.wait(deadline: .after(.microseconds(100))) }
                } else {
                    _ = try await event.wait(deadline: .after(.microseconds(100)))
                }
            }
            event.send(1)
            let value = try await event.wait(deadline: .after(forever))
            #expect(value == 1)
        }
    }

    @Test func `a deadline or a cancellation ends the wait outside a hub too`() async throws {
        let event = Event<Int>()
        await #expect(throws: TandemError(.timedOut, "")) { try await event.wait(deadline: .after(.milliseconds(1))) }
        let waiter = Task { try await event.wait() }
        waiter.cancel()
        await #expect(throws: CancellationError.self) { try await waiter.value }
    }

    @MainActor @Test func `an isolated caller waits on a hub and resumes on its actor`() async throws {
        let event = Event<Int>()
        startThread { event.send(4) }
        #expect(try await event.wait() == 4)
        MainActor.assertIsolated()
    }

    @Test func `four threads send ten thousand events each, and no wake is lost`() async throws {
        try await onHub {
            let events = (0..<40_000).map { _ in Event<Int>() }
            for part in 0..<4 {
                startThread { for number in stride(from: part, to: 40_000, by: 4) { events[number].send(number) } }
            }
            // Half by a green thread, half by async code, racing with the senders.
            let green = GreenThread {
                var sum = 0
                for number in stride(from: 0, to: 40_000, by: 2) { sum += try events[number].wait() }
                return sum
            }
            var sum = 0
            for number in stride(from: 1, to: 40_000, by: 2) { sum += try await events[number].wait() }
            sum += try await green.wait()
            #expect(sum == 40_000 * 39_999 / 2)
        }
    }

    @Test func `wakes from other threads while the hub is busy are merged into one`() async throws {
        try await onHub {
            let events = (0..<1_000).map { _ in Event<Void>() }
            let waiters = events.map { event in Hub.current!.spawn { try await event.wait() } }
            try await turnUntilParked(1_000)
            let sent = Counter()
            startThread {
                for event in events { event.send(()) }
                sent.add()
            }
            // Holds the hub's thread, so that nothing is taken in meanwhile.
            while sent.value == 0 {}
            let before = Hub.counts.turns
            for waiter in waiters { try await waiter.value }
            #expect(Hub.counts.turns - before <= UInt64(1_000 / HubConfiguration().jobsPerTurn * 2 + 5))
        }
    }
}
