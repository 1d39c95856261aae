internal import Testing

@testable import Tandem

@Suite(.serialized, .timeLimit(.minutes(1)))
struct SleepTests {
    @Test(arguments: [false, true])
    func `no sleeper wakes early`(green: Bool) async throws {
        try await onHub {
            for microseconds in [1, 100, 999, 1_000, 1_001, 5_000] {
                let clock = ContinuousClock()
                let duration = Duration.microseconds(microseconds)
                let start = clock.now
                if green { try await blocking { try sleep(for: duration) } } else { try await sleep(for: duration) }
                #expect(start.duration(to: clock.now) >= duration)
            }
        }
    }

    @Test(arguments: [false, true])
    func `sleepers wake in order of their deadlines`(green: Bool) async throws {
        try await onHub {
            let order = Recorder<Int>()
            // Far enough apart for any machine: all are armed before the first is due.
            let sleepers = [3, 1, 4, 2].map { number in
                Hub.current!.spawn {
                    let duration = Duration.milliseconds(40 * number)
                    if green { try await blocking { try sleep(for: duration) } } else { try await sleep(for: duration) }
                    order.add(number)
                }
            }
            for sleeper in sleepers { try await sleeper.value }
            #expect(order.all == [1, 2, 3, 4])
        }
    }

    @Test(arguments: [false, true])
    func `a sleep of zero lets every ready job run once`(green: Bool) async throws {
        try await onHub {
            let order = Recorder<String>()
            let others = ["a", "b", "c"].map { name in Hub.current!.spawn { order.add(name) } }
            if green { try await blocking { try sleep(for: .zero) } } else { try await sleep(for: .zero) }
            order.add("me")
            #expect(order.all == ["a", "b", "c", "me"])
            for other in others { try await other.value }
        }
    }

    @Test func `zero and negative durations are legal everywhere`() async throws {
        for duration in [Duration.zero, .seconds(-1)] {
            // In a task on Swift's own pool, in both styles.
            try synchronously { try sleep(for: duration) }
            try await sleep(for: duration)
            try await onThread { try sleep(for: duration) }
            try await onHub {
                try synchronously { try sleep(for: duration) }
                try await sleep(for: duration)
                try await blocking { try sleep(for: duration) }
                var outcome: Result<Void, any Error>?
                let timer = HubTimer(on: Hub.current!) { outcome = Result { try sleep(for: duration) } }
                timer.arm(.after(.zero))
                try await turnUntil { outcome != nil }
                withExtendedLifetime(timer) {}
                try outcome!.get()
            }
        }
    }

    @Test func `a sleep longer than the clock can count lasts until it is cancelled`() async throws {
        try await onHub {
            let tasks = [false, true].map { green in
                Hub.current!.spawn {
                    let long = Duration.seconds(Int64.max)
                    if green { try await blocking { try sleep(for: long) } } else { try await sleep(for: long) }
                }
            }
            try await turnUntilParked(2)
            for task in tasks {
                task.cancel()
                await #expect(throws: CancellationError.self) { try await task.value }
            }
        }
    }

    @Test func `a cancelled task does not sleep`() async throws {
        try await onHub {
            for duration in [Duration.zero, .microseconds(1), forever] {
                for green in [false, true] {
                    let task = Hub.current!.spawn {
                        withUnsafeCurrentTask { $0!.cancel() }
                        if green { try await blocking { try sleep(for: duration) } } else { try await sleep(for: duration) }
                    }
                    await #expect(throws: CancellationError.self) { try await task.value }
                }
            }
        }
    }

    @Test func `a sleeper in an actor on a hub does not oversleep`() async throws {
        actor Sleeper { func nap() async throws { try await sleep(for: .microseconds(1)) } }
        try await onHub {
            let sleeper = Sleeper()
            try await withThrowingTaskGroup { group in
                for _ in 0..<1_000 { group.addTask { try await sleeper.nap() } }
                try await group.waitForAll()
            }
        }
    }

    @Test func `ten thousand sleepers leave no timer behind`() async throws {
        try await onHub {
            let sleepers = (0..<10_000).map { number in
                Hub.current!.spawn {
                    // Thrown errors are slow to test, because Swift Testing records a backtrace of each.
                    number.isMultiple(of: 2) ? try await sleep(for: .microseconds(number)) : try? await sleep(for: forever)
                    return Task.isCancelled
                }
            }
            // Every task has taken its first step. Before it, a cancelled body never runs.
            try await sleep(for: .zero)
            for (number, sleeper) in sleepers.enumerated() where !number.isMultiple(of: 2) { sleeper.cancel() }
            for (number, sleeper) in sleepers.enumerated() {
                let wasCancelled = try await sleeper.value
                #expect(wasCancelled == !number.isMultiple(of: 2))
            }
            #expect(Hub.counts.timers == 0)
        }
    }

    private actor Room {
        func yield() async throws { try await blocking { try sleep(for: .zero) } }
    }

    /// The actor's tasks run one after the other in one job of the hub.
    @Test func `green threads of one actor that yield one after another all resume`() async throws {
        try await onHub {
            let room = Room()
            let tasks = (0..<100).map { _ in Hub.current!.spawn { for _ in 0..<10 { try await room.yield() } } }
            for task in tasks { try await task.value }
        }
    }
}
