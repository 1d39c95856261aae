import AsyncAlgorithms
import Dispatch
import Glibc
import Synchronization
import Tandem

struct Failure: Error, CustomStringConvertible {
    let description: String
}

func check(_ condition: Bool, _ text: @autoclosure () -> String, line: UInt = #line) throws {
    guard condition else { throw Failure(description: "line \(line): \(text())") }
}

/// The OS threads on which code ran.
final class Threads: Sendable {
    private let seen = Mutex<[Int: Int]>([:])

    func note() { seen.withLock { $0[GreenThreadIdentity.osThread, default: 0] += 1 } }

    var counts: [Int: Int] { seen.withLock { $0 } }

    /// Fails unless all code ran on the main thread, `count` times.
    func checkMain(_ count: Int, line: UInt = #line) throws {
        try check(counts == [Int(getpid()): count], "expected \(count) runs on thread \(getpid()), not \(counts)", line: line)
    }
}

/// The number of OS threads of this process.
func threadCount() -> Int {
    guard let directory = opendir("/proc/self/task") else { return 0 }
    defer { closedir(directory) }
    var count = -2  // "." and ".."
    while readdir(directory) != nil { count += 1 }
    return count
}

actor Counter {
    private(set) var value = 0
    func add(_ threads: Threads) {
        threads.note()
        value += 1
    }
}

@MainActor var ofMainActor = 0

@MainActor func addOnMainActor(_ threads: Threads) {
    threads.note()
    ofMainActor += 1
}

func assume() { MainActor.assumeIsolated { ofMainActor += 1 } }

nonisolated(nonsending) func viaContinuation(_ threads: Threads) async {
    await withCheckedContinuation { continuation in DispatchQueue.global().async { continuation.resume() } }
    threads.note()
}

actor Stopper {
    func spin() async { for _ in 0..<10 { await Task.yield() } }
    func stop(_ group: HubGroup) async { await group.shutdown() }
}

@MainActor func stopOnMainActor(_ group: HubGroup) async { await group.shutdown() }

enum Local {
    @TaskLocal static var number = 0
}

/// Whether blocking code stays on its hub and its thread while it awaits what other threads resume, also with a task-local bound
/// around the waits.
nonisolated(nonsending) func staysInBlockingCode(_ threads: Threads) async throws -> Bool {
    try await blocking {
        let (hub, thread) = (Hub.current, GreenThreadIdentity.osThread)
        return try Local.$number.withValue(7) {
            for _ in 0..<5 {
                try awaiting { await viaContinuation(threads) }
                try sleep(for: .milliseconds(1))
                guard hub != nil, Hub.current === hub, GreenThreadIdentity.osThread == thread, Local.number == 7 else {
                    return false
                }
            }
            return true
        }
    }
}

actor Accountant {
    func staysInBlockingCode(_ threads: Threads) async throws -> Bool {
        let result = try await GlobalTasks.staysInBlockingCode(threads)
        preconditionIsolated()
        return result
    }
}

func taking(_ change: (inout HubConfiguration) -> Void = { _ in }) -> HubConfiguration {
    var configuration = HubConfiguration()
    configuration.takesOverGlobalExecutor = true
    change(&configuration)
    return configuration
}

private let gate = Mutex<CheckedContinuation<Void, Never>?>(nil)
private let isOver = Mutex(false)
private let reports = Mutex<[HubReport]>([])

let programs: [(name: String, run: @Sendable () throws -> Void)] = [
    (
        "tasks",
        {
            let threads = Threads()
            try Hub.run(taking()) {
                let counter = Counter()
                for _ in 0..<100 {
                    await Task { threads.note() }.value
                    await Task.detached { threads.note() }.value
                    await Task.detached(priority: .background) { threads.note() }.value
                }
                await withTaskGroup { group in
                    for _ in 0..<100 { group.addTask { await counter.add(threads) } }
                }
                async let one: Void = counter.add(threads)
                async let other: Void = Task.detached { await counter.add(threads) }.value
                _ = await (one, other)
                let value = await counter.value
                try check(value == 102, "\(value)")
                let (stream, source) = AsyncStream.makeStream(of: Int.self)
                Task.detached {
                    for number in 0..<100 {
                        await Task.yield()
                        threads.note()
                        source.yield(number)
                    }
                    source.finish()
                }
                let sum = await Task.detached {
                    var sum = 0
                    for await number in stream {
                        threads.note()
                        sum += number
                    }
                    return sum
                }.value
                try check(sum == 4950, "\(sum)")
                await Task.detached { await viaContinuation(threads) }.value
                // Task.sleep too takes no thread: the one more is libdispatch's, for the continuation.
                try await Task.detached { try await Task.sleep(for: .milliseconds(5)) }.value
            }
            try threads.checkMain(300 + 102 + 200 + 1)
        }
    ),
    (
        "one-thread",
        {
            try Hub.run(taking()) {
                let counter = Counter()
                let threads = Threads()
                try await withThrowingTaskGroup { group in
                    for _ in 0..<1_000 {
                        group.addTask {
                            try await Task.sleep(for: .milliseconds(20))
                            await counter.add(threads)
                        }
                    }
                    try await group.waitForAll()
                }
                let value = await counter.value
                try check(value == 1_000, "\(value)")
                try check(threadCount() == 1, "\(threadCount()) threads")
            }
        }
    ),
    (
        "sleep",
        {
            try Hub.run(taking()) {
                let clock = ContinuousClock()
                let durations = await Task.detached {
                    [
                        await clock.measure { try? await Task.sleep(for: .milliseconds(30)) },
                        await clock.measure { try? await Task.sleep(nanoseconds: 30_000_000) },
                        await clock.measure { try? await Task.sleep(until: .now + .milliseconds(30), clock: .suspending) },
                        await clock.measure { try? await clock.sleep(for: .milliseconds(30)) },
                    ]
                }.value
                for duration in durations {
                    try check(duration >= .milliseconds(30) && duration < .milliseconds(1_000), "\(duration)")
                }
                // A dump shows it.
                let sleeper = Task.detached { try await Task.sleep(for: .seconds(60)) }
                try await Task.sleep(for: .milliseconds(1))
                let dump = Hub.current!.dump().description
                try check(dump.contains("Task.sleep"), dump)
                sleeper.cancel()
                let began = clock.now
                let outcome = await sleeper.result
                try check(clock.now - began < .seconds(5), "a cancelled sleep went on")
                guard case .failure(let error) = outcome, error is CancellationError else {
                    throw Failure(description: "\(outcome)")
                }
            }
        }
    ),
    (
        "virtual-clock",
        {
            try Hub.run(taking { $0.clock = .virtual }) {
                let clock = ContinuousClock()
                let duration = await clock.measure { try? await Task.sleep(for: .seconds(3600)) }
                try check(duration < .seconds(60), "\(duration)")
            }
        }
    ),
    (
        "main-actor",
        {
            let threads = Threads()
            try Hub.run(taking()) {
                for _ in 0..<10 { await addOnMainActor(threads) }
                await withTaskGroup { group in
                    for _ in 0..<10 { group.addTask { await addOnMainActor(threads) } }
                }
                Task { @MainActor in
                    assume()
                    // Each change of executor is a place where the task could get lost.
                    try await Task.sleep(for: .milliseconds(1))
                    try await sleep(for: .milliseconds(1))
                    await blocking { threads.note() }
                    MainActor.preconditionIsolated()
                    addOnMainActor(threads)
                }
                while await ofMainActor < 22 { try await Task.sleep(for: .milliseconds(1)) }
            }
            try threads.checkMain(22)
        }
    ),
    (
        "both-styles",
        {
            // What the hub offers works in a plain task too: green threads, waits, cancellation, deadlines.
            try Hub.run(taking()) {
                let hub = Hub.current!
                let value = try await Task.detached {
                    try check(Hub.current === hub, "a detached task left the hub")
                    let queue = Queue<Int>(capacity: 1)
                    let producer = spawn {
                        for number in 0..<100 { try queue.put(number) }
                    }
                    var sum = 0
                    for _ in 0..<100 { sum += try await queue.get() }
                    try await producer.wait()
                    return sum
                        + (try await blocking {
                            try sleep(for: .milliseconds(1))
                            return try awaiting { await Task { 50 }.value }
                        })
                }.value
                try check(value == 5_000, "\(value)")
                let waiting = Task.detached { try await Event<Void>().wait() }
                try await Task.sleep(for: .milliseconds(5))
                waiting.cancel()
                guard case .failure(let error) = await waiting.result, error is CancellationError else {
                    throw Failure(description: "a cancelled wait went on")
                }
                do {
                    try await Task.detached { try await Event<Void>().wait(deadline: .after(.milliseconds(5))) }.value
                    throw Failure(description: "a wait passed its deadline")
                } catch let error as TandemError {
                    try check(error.code == .timedOut, "\(error)")
                }
            }
        }
    ),
    (
        "group",
        {
            let group = try HubGroup(count: 2, configuration: taking())
            let threads = Threads()
            // From elsewhere the hubs take turns.
            let done = DispatchSemaphore(value: 0)
            for _ in 0..<100 {
                Task.detached {
                    threads.note()
                    done.signal()
                }
            }
            for _ in 0..<100 { done.wait() }
            try check(threads.counts.count == 2 && threads.counts.values.allSatisfy { $0 == 50 }, "\(threads.counts)")
            // On a hub a task stays there.
            Task.detached {
                let own = Hub.current
                for _ in 0..<100 {
                    let hub = await Task.detached { Hub.current }.value
                    if own == nil || hub !== own { print("a task changed hubs") }
                }
                done.signal()
            }
            done.wait()
            group.shutdown()
        }
    ),
    (
        "group-awaiting",
        {
            // Other threads resume tasks on the hubs in turn. Blocking code that awaits such a task continues on its own hub.
            let group = try HubGroup(count: 2, configuration: taking())
            let (threads, accountant) = (Threads(), Accountant())
            let done = DispatchSemaphore(value: 0)
            for number in 0..<100 {
                Task.detached {
                    let isOnItsHub =
                        try await number % 2 == 0 ? accountant.staysInBlockingCode(threads) : staysInBlockingCode(threads)
                    if !isOnItsHub { print("blocking code changed hubs") }
                    done.signal()
                }
            }
            for number in 0..<100 {
                try check(done.wait(timeout: .now() + 10) == .success, "\(number) of 100 tasks ended")
            }
            group.shutdown()
        }
    ),
    (
        "shutdown",
        {
            // A task on one of the hubs stops them: it leaves them first.
            let group = try HubGroup(count: 2, configuration: taking())
            let done = DispatchSemaphore(value: 0)
            Task.detached {
                try check(Hub.current != nil, "the task is on no hub")
                let spawned = group.hubs[1].spawn { try await sleep(for: .seconds(60)) }
                await group.shutdown()
                try check(Hub.current == nil, "the task is still on a hub")
                guard case .failure(let error) = await spawned.result, error is CancellationError else { return }
                done.signal()
            }
            try check(done.wait(timeout: .now() + 10) == .success, "the hubs never stopped")
        }
    ),
    (
        "shutdown-in-actor",
        {
            // An actor that is busy on a hub stops the hubs.
            let group = try HubGroup(count: 1, configuration: taking())
            let done = DispatchSemaphore(value: 0)
            let stopper = Stopper()
            for _ in 0..<200 { Task.detached { await stopper.spin() } }
            Task.detached {
                await stopper.stop(group)
                done.signal()
            }
            try check(done.wait(timeout: .now() + 10) == .success, "the hubs never stopped")
        }
    ),
    (
        "shutdown-cancelled",
        {
            let group = try HubGroup(count: 1, configuration: taking())
            let ended = DispatchSemaphore(value: 0)
            let task = Task.detached {
                withUnsafeCurrentTask { $0?.cancel() }
                await group.shutdown()
                ended.signal()
            }
            _ = task
            try check(ended.wait(timeout: .now() + 10) == .success, "the hubs never stopped")
        }
    ),
    (
        "main-actor-after-group",
        {
            // The main actor keeps running on the hub that owns the main thread when the group has given the executor back.
            let threads = Threads()
            try Hub.run {
                let group = try HubGroup(count: 1, configuration: taking())
                await addOnMainActor(threads)
                await stopOnMainActor(group)
                await addOnMainActor(threads)
                let elsewhere = await Task.detached { Hub.current == nil }.value
                try check(elsewhere, "a task ran on a hub after the executor was given back")
            }
            try threads.checkMain(2)
        }
    ),
    (
        "serves-main-actor",
        {
            // As the supervisor of a daemon does, before the hubs of its server exist.
            let threads = Threads()
            var configuration = HubConfiguration()
            configuration.servesMainActor = true
            try Hub.run(configuration) {
                await addOnMainActor(threads)
                let elsewhere = await Task.detached { Hub.current == nil }.value
                try check(elsewhere, "a task ran on a hub that has not taken over the executor")
            }
            try threads.checkMain(1)
        }
    ),
    (
        "guest",
        {
            let group = try HubGroup(count: 1, configuration: taking())
            do {
                _ = try GuestHub(taking { $0.poller = .epoll })
                throw Failure(description: "two have taken over")
            } catch let error as TandemError { try check(error.code == .executorTaken, "\(error)") }
            group.shutdown()
            // A guest's thread that waits for async code between the turns does not wait for itself.
            let guest = try GuestHub(taking { $0.poller = .epoll })
            let hub = try awaiting { Hub.current }
            try check(hub != nil && hub !== guest.hub, "awaiting ran on \(hub as Any)")
            let ran = Mutex(false)
            Task { ran.withLock { $0 = true } }
            while !ran.withLock({ $0 }) { guest.turn() }
            guest.stop()
        }
    ),
    (
        "spinner",
        {
            // A task that is always ready does not hold the end of the hub.
            let clock = ContinuousClock()
            let time = try clock.measure {
                try Hub.run(taking { $0.onReport = { report in reports.withLock { $0.append(report) } } }) {
                    Task.detached { while !isOver.withLock({ $0 }) { await Task.yield() } }
                    await Task.yield()
                }
            }
            isOver.withLock { $0 = true }
            try check(time < .seconds(2), "the hub ended after \(time)")
            try check(reports.withLock { $0.isEmpty }, "\(reports.withLock { $0 })")
        }
    ),
    (
        "given-back",
        {
            let (sleeping, waiting) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
            try Hub.run(taking()) {
                Task.detached {
                    try? await Task.sleep(for: .milliseconds(50))
                    sleeping.signal()
                }
                Task.detached {
                    await withCheckedContinuation { continuation in gate.withLock { $0 = continuation } }
                    try check(Hub.current == nil, "a task went on on a hub that has ended")
                    waiting.signal()
                }
                for _ in 0..<3 { await Task.yield() }
            }
            // Both go on where Swift would have run them.
            try check(sleeping.wait(timeout: .now() + 10) == .success, "a sleeping task never ended")
            gate.withLock { $0!.resume() }
            try check(waiting.wait(timeout: .now() + 10) == .success, "a waiting task never ended")
            let threads = Threads()
            Task.detached {
                threads.note()
                try await Task.sleep(for: .milliseconds(1))
                waiting.signal()
            }
            try check(waiting.wait(timeout: .now() + 10) == .success, "a task never ended")
            try check(threads.counts[Int(getpid())] == nil, "a task ran on the main thread")
            // And a later hub can have it again.
            try Hub.run(taking()) { await Task.detached { threads.note() }.value }
            try check(threads.counts[Int(getpid())] == 1, "\(threads.counts)")
        }
    ),
    (
        "refused",
        {
            let group = try HubGroup(count: 1, configuration: taking())
            do {
                try Hub.run(taking()) {}
                throw Failure(description: "two have taken over")
            } catch let error as TandemError { try check(error.code == .executorTaken, "\(error)") }
            do {
                _ = try HubGroup(count: 2, configuration: taking())
                throw Failure(description: "two have taken over")
            } catch let error as TandemError { try check(error.code == .executorTaken, "\(error)") }
            // Those without the setting start as ever, and plain tasks on them go to the group.
            let hub = try Hub.run { await Task.detached { Hub.current }.value }
            try check(hub === group.hubs[0], "a task went elsewhere")
            group.shutdown()
            try Hub.run(taking()) {}
        }
    ),
    (
        "late",
        {
            // A task that already runs moves to the hub when it suspends.
            let done = DispatchSemaphore(value: 0)
            Task.detached {
                let group = try HubGroup(count: 1, configuration: taking())
                try check(Hub.current == nil, "a task changed threads without suspending")
                try await Task.sleep(for: .milliseconds(1))
                try check(Hub.current === group.hubs[0], "a task did not move to the hub")
                DispatchQueue.global().async {
                    group.shutdown()
                    done.signal()
                }
            }
            try check(done.wait(timeout: .now() + 10) == .success, "a task never ended")
        }
    ),
    (
        "not-taken",
        {
            try Hub.run {
                let hub = await Task.detached { Hub.current }.value
                try check(hub == nil, "a detached task ran on a hub that has not taken over the executor")
                try await Task.sleep(for: .milliseconds(1))
                try check(Hub.current != nil, "a task left its hub")
            }
        }
    ),
    (
        "left-hub",
        {
            // Blocking code of tasks that have left their hub is reported on standard error, once and by name.
            try Hub.run {
                for _ in 0..<3 {
                    let hub = await Task.detached { await blocking(name: "render") { Hub.current } }.value
                    try check(hub != nil && hub !== Hub.current, "the blocking code ran on \(hub as Any)")
                }
            }
        }
    ),
    (
        "watchdog",
        {
            let configuration = taking {
                $0.stallThreshold = .milliseconds(20)
                $0.onReport = { report in reports.withLock { $0.append(report) } }
            }
            try Hub.run(configuration) {
                await Task.detached { blockTheThread() }.value
                try await Task.sleep(for: .milliseconds(50))
            }
            let text = reports.withLock { $0.map { $0.description }.joined(separator: "\n") }
            try check(text.contains("blockTheThread"), text)
        }
    ),
    (
        "third-party",
        {
            // swift-async-algorithms starts tasks of its own.
            let threads = Threads()
            try Hub.run(taking()) {
                let ticks = AsyncTimerSequence(interval: .milliseconds(1), clock: .continuous).prefix(20)
                var count = 0
                for await _ in merge(ticks.map { _ in 1 }, [1, 2, 3].async, AsyncStream<Int> { $0.finish() }) {
                    threads.note()
                    count += 1
                }
                try check(count == 23, "\(count)")
                let channel = AsyncChannel<Int>()
                Task {
                    for number in 0..<50 {
                        threads.note()
                        await channel.send(number)
                    }
                    channel.finish()
                }
                var chunks = 0
                for await chunk in channel.chunks(ofCount: 10) { chunks += chunk.count }
                try check(chunks == 50, "\(chunks)")
                for try await pair in combineLatest([1].async, [2].async).debounce(for: .milliseconds(2)) {
                    threads.note()
                    try check(pair == (1, 2), "\(pair)")
                }
                try check(threadCount() == 1, "\(threadCount()) threads")
            }
            try threads.checkMain(23 + 50 + 1)
        }
    ),
    (
        "stragglers",
        {
            let configuration = taking {
                $0.onReport = { report in reports.withLock { $0.append(report) } }
            }
            try Hub.run(configuration) {
                for _ in 0..<3 { Task.detached { try await Event<Void>().wait() } }
                for _ in 0..<3 { await Task.yield() }
            }
            let text = reports.withLock { $0.map { $0.description }.joined(separator: "\n") }
            try check(text.contains("3 call(s)") && text.contains("Event.wait, Event.wait, Event.wait"), text)
        }
    ),
    (
        "os-threads",
        {
            // OS threads without a hub wait for async code, which runs on the hub that has taken over.
            try Hub.run(taking()) {
                let hub = Hub.current!
                let answers = try await withThrowingTaskGroup { group in
                    for _ in 0..<10 {
                        group.addTask { try await offload { try awaiting { Hub.current === hub } } }
                    }
                    return try await group.reduce(into: [Bool]()) { $0.append($1) }
                }
                try check(answers.allSatisfy { $0 }, "\(answers)")
            }
        }
    ),
]

@inline(never) func blockTheThread() {
    let end = ContinuousClock.now + .milliseconds(200)
    while ContinuousClock.now < end {}
}
