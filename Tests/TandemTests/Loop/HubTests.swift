internal import CTandem
internal import Glibc
internal import Synchronization
internal import Testing

@testable import Tandem

@Suite(.serialized, .timeLimit(.minutes(1)))
struct HubTests {
    // MARK: Life cycle

    @Test func `run returns the body's value and releases the thread from its hub`() async throws {
        let (value, inside, after) = try await onThread {
            let before = GreenThreadIdentity.osThread
            let (value, inside) = try Hub.run { (42, Hub.current != nil && GreenThreadIdentity.osThread == before) }
            return (value, inside, Hub.current == nil)
        }
        #expect(value == 42)
        #expect(inside, "the body runs on the calling thread, which is the hub's")
        #expect(after)
    }

    @Test func `run throws the body's error`() async throws {
        let failure = FailureObject()
        await #expect { try await onThread { try Hub.run { throw failure } } } throws: { $0 as? FailureObject === failure }
    }

    @Test func `a thread can run one hub after another`() async throws {
        let sum = try await onThread { try (1...50).map { number in try Hub.run { number } }.reduce(0, +) }
        #expect(sum == 1275)
    }

    @Test func `work that is live when the body ends is cancelled and waited for`() async throws {
        let log = Recorder<String>()
        try await onThread {
            try Hub.run {
                let parked = Event<Void>()
                GreenThread {
                    parked.send(())
                    do { try sleep(for: forever) } catch { log.add("green: \(error)") }
                }
                Hub.current!.spawn {
                    // This cleanup needs the hub to make turns.
                    do { try await sleep(for: forever) } catch { await Task.yield() }
                    log.add("async")
                }
                try await parked.wait()
                try await sleep(for: .zero)
            }
            log.add("returned")
        }
        #expect(log.all.last == "returned")
        #expect(Set(log.all) == ["green: CancellationError()", "async", "returned"])
    }

    @Test func `a leftover that ignores its cancellation is reported, and run returns after the grace`() async throws {
        let result = await #expect(processExitsWith: .exitCode(7), observing: [\.standardErrorContent]) {
            try await onThread {
                var configuration = HubConfiguration()
                configuration.stopGrace = .milliseconds(20)
                try Hub.run(configuration) {
                    Hub.current!.spawn(name: "stubborn") {
                        await withUnsafeContinuation { (_: UnsafeContinuation<Void, Never>) in }
                    }
                    try await sleep(for: .zero)
                }
                exit(7)
            }
        }
        let said = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(said.contains("stopped with 1 task(s) that did not end when cancelled: stubborn"))
    }

    @Test func `a leftover that yields forever is reported, and run returns after the grace`() async throws {
        let result = await #expect(processExitsWith: .exitCode(7), observing: [\.standardErrorContent]) {
            try await onThread {
                var configuration = HubConfiguration()
                configuration.stopGrace = .milliseconds(20)
                try Hub.run(configuration) {
                    Hub.current!.spawn(name: "restless") { while true { await Task.yield() } }
                    try await sleep(for: .zero)
                }
                exit(7)
            }
        }
        let said = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(said.contains("stopped with 1 task(s) that did not end when cancelled: restless"))
    }

    @Test func `a leftover green thread that wakes after its hub has ended is abandoned`() async {
        // Runs in a separate process, because the green thread is never freed.
        let result = await #expect(processExitsWith: .success, observing: [\.standardErrorContent]) {
            let woken = ThreadEvent()
            try await onThread {
                var configuration = HubConfiguration()
                configuration.stopGrace = .milliseconds(20)
                try Hub.run(configuration) {
                    GreenThread(name: "stubborn") {
                        try awaiting {
                            // Not cancelled with its caller, and it ends after the hub has gone.
                            await Task.detached { try? await Task.sleep(for: .milliseconds(200)) }.value
                            woken.set()
                        }
                        fatalError("a green thread went on off its hub")
                    }
                    try await sleep(for: .zero)
                }
            }
            woken.wait()
            try await Task.sleep(for: .milliseconds(100))
        }
        let errors = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(errors.contains("stubborn outlived its hub"))
    }

    @Test func `running a hub on a hub's thread ends the process`() async {
        await #expect(processExitsWith: .failure) {
            try await onThread { try Hub.run { try synchronously { try Hub.run {} } } }
        }
    }

    @Test func `a task enqueued after the hub has stopped runs elsewhere and is not lost`() async throws {
        let hub = try await onThread { try Hub.run { Hub.current! } }
        #expect(await Task(executorPreference: hub) { Hub.current == nil }.value)
        await #expect(throws: TandemError(.hubStopped, "")) { try await hub.spawn {}.value }
        await #expect(throws: TandemError(.hubStopped, "")) { try await GreenThread(on: hub) {}.wait() }
    }

    @Test func `a task that sleeps elsewhere while its hub stops resumes elsewhere`() async throws {
        let task = try await onThread {
            try Hub.run {
                Task(executorPreference: Hub.current!) {
                    try await Task.sleep(for: .milliseconds(20))
                    return Hub.current == nil
                }
            }
        }
        #expect(try await task.value)
    }

    /// Runs in a separate process, where no other test opens or closes anything.
    @Test func `a hub leaves no file descriptor behind`() async {
        await #expect(processExitsWith: .success) {
            try await onThread {
                try Hub.run {}
                let before = openDescriptors()
                for _ in 0..<100 {
                    try Hub.run {
                        let (a, b) = try descriptorPair()
                        defer {
                            a.close()
                            b.close()
                        }
                        let echo = GreenThread { try sleep(for: .microseconds(1)) }
                        try a.send("x")
                        _ = try await b.receive()
                        try await echo.wait()
                    }
                }
                let after = openDescriptors()
                // The process opens a few descriptors itself. A leak would be a hundred.
                guard after - before < 50 else { fatalError("\(before) descriptors before, \(after) after") }
            }
        }
    }

    /// The last job of a hub comes from another thread, which may still be returning from `enqueue` when the hub
    /// has run that job and is freed. The sanitizers detect whether that thread still touches the hub.
    @Test func `a hub may end while the thread that woke it is still in enqueue`() async throws {
        try await onThread {
            for _ in 0..<2_000 { try Hub.run { await Task.detached {}.value } }
        }
    }

    // MARK: Turns

    @Test func `an idle hub makes no turns`() async throws {
        try await onHub {
            let before = Hub.counts.turns
            try await sleep(for: .milliseconds(200))
            #expect(Hub.counts.turns - before <= 3)
        }
    }

    @Test func `jobs that other threads enqueue while the hub is busy are taken in at once`() async throws {
        let jobs = 40_000
        var configuration = HubConfiguration()
        configuration.jobsPerTurn = 1_000
        try await onHub(configuration) {
            let hub = Hub.current!
            let (threadsDone, ran) = (Counter(), Counter())
            for _ in 0..<4 {
                startThread {
                    for _ in 0..<(jobs / 4) { Task(executorPreference: hub) { ran.add() } }
                    threadsDone.add()
                }
            }
            // Holds the hub's thread, so that nothing is taken in meanwhile.
            while threadsDone.value < 4 { usleep(1_000) }
            #expect(ran.value == 0)
            let before = hub.statistics.turns
            try await turnUntil { ran.value == jobs }
            #expect(hub.statistics.turns - before <= UInt64(jobs / 1_000) + 3)
        }
    }

    @Test func `tasks run in the order in which they were enqueued`() async throws {
        try await onHub {
            let order = Recorder<Int>()
            let tasks = (0..<1_000).map { number in Hub.current!.spawn { order.add(number) } }
            for task in tasks { try await task.value }
            #expect(order.all == Array(0..<1_000))
        }
    }

    @Test func `spawned work stays on its hub's thread through awaits, children and actors`() async throws {
        actor Account { func thread() async -> Int { await Task.yield(); return GreenThreadIdentity.osThread } }
        try await onHub {
            let home = GreenThreadIdentity.osThread
            try await Task.sleep(for: .milliseconds(1))
            #expect(GreenThreadIdentity.osThread == home, "back from a sleep on Swift's own timer")
            #expect(await Account().thread() == home, "in a default actor")
            let children = await withTaskGroup { group in
                for _ in 0..<10 {
                    group.addTask {
                        await Task.yield(); return GreenThreadIdentity.osThread
                    }
                }
                return await group.reduce(into: Set()) { $0.insert($1) }
            }
            #expect(children == [home])
        }
    }

    // MARK: Locals, timers

    @Test func `a hub local is made once per hub and released on the hub's thread`() async throws {
        final class Pool {
            let dropped: Event<Bool>
            let thread = GreenThreadIdentity.osThread
            init(_ dropped: Event<Bool>) { self.dropped = dropped }
            deinit { dropped.send(GreenThreadIdentity.osThread == thread && Hub.current != nil) }
        }
        let dropped = Event<Bool>()
        try await onThread {
            try Hub.run {
                let pool = Hub.current!.local(Pool.self) { Pool(dropped) }
                #expect(Hub.current!.local(Pool.self) { fatalError("made twice") } === pool)
            }
        }
        #expect(try dropped.outcome?.get() == true)
    }

    @Test func `timers fire in order of deadline, equal ones in the order of arming`() async throws {
        try await onHub {
            let hub = Hub.current!
            let order = Recorder<Int>()
            let soon = Deadline.after(.milliseconds(5))
            let timers = (0..<10).map { number in HubTimer(on: hub) { order.add(number) } }
            for number in [3, 1, 4, 0, 5, 9, 2, 6] { timers[number].arm(soon) }
            timers[8].arm(.after(.milliseconds(10)))
            timers[7].arm(.after(.milliseconds(1)))
            timers[9].disarm()
            timers[3].arm(soon)
            try await turnUntil { order.count == 9 }
            #expect(order.all == [7, 1, 4, 0, 5, 2, 6, 3, 8])
            withExtendedLifetime(timers) {}
        }
    }

    @Test func `fifty thousand armed and cancelled timers leave none behind`() async throws {
        try await onHub {
            let hub = Hub.current!
            let before = hub.statistics.timers
            let timers = (0..<50_000).map { _ in HubTimer(on: hub) { Issue.record("fired") } }
            for timer in timers { timer.arm(.after(forever)) }
            #expect(hub.statistics.timers == before + 50_000)
            for timer in timers { timer.disarm() }
            #expect(hub.statistics.timers == before)
            withExtendedLifetime(timers) {}
        }
    }

    @Test func `a timer that rearms itself as already due lets others run`() async throws {
        try await onHub {
            let hub = Hub.current!
            let past = Deadline.after(.zero)
            var fired = 0
            let box = Box<HubTimer>()
            box.value = HubTimer(on: hub) { [unowned box] in
                fired += 1
                box.value!.arm(past)
            }
            box.value!.arm(past)
            let before = hub.statistics.turns
            try await sleep(for: .milliseconds(2))
            #expect(fired >= 1)
            #expect(fired <= Int(hub.statistics.turns - before) + 1, "once a turn")
            box.value = nil
        }
    }

    @Test func `a timer may be released by its own handler`() async throws {
        try await onHub {
            let box = Box<HubTimer>()
            var fired = 0
            box.value = HubTimer(on: Hub.current!) {
                fired += 1
                box.value = nil
            }
            box.value!.arm(.after(.zero))
            try await turnUntil { fired == 1 }
        }
    }

    @Test func `a signal that interrupts the hub's sleep causes an empty turn`() async throws {
        signal(SIGUSR2) { _ in }
        try await onHub {
            let hubThread = pthread_self()
            let sent = Counter()
            startThread {
                for _ in 0..<200 {
                    pthread_kill(hubThread, SIGUSR2)
                    sent.add()
                    usleep(200)
                }
            }
            let (a, b) = try descriptorPair()
            defer {
                a.close()
                b.close()
            }
            let reader = GreenThread { [b = Loan(b)] in try b.value.receive() }
            try await sleep(for: .milliseconds(20))
            #expect(sent.value > 0)
            try a.send("through")
            #expect(try await reader.wait() == "through")
            // Waits for the last signal, because the thread must outlive all of them.
            try await turnUntil { sent.value == 200 }
        }
    }
}

/// Carries a value that belongs to the hub's thread into a green thread of the same hub.
struct Loan<Value>: @unchecked Sendable {
    let value: Value
    init(_ value: Value) { self.value = value }
}

/// Holds one value.
final class Box<Value> {
    var value: Value?
}
