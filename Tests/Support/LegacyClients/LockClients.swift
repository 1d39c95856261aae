import CTandem
import Dispatch
import Foundation
import Glibc
import Synchronization
import Tandem
import TandemPatch

/// The clients that use locks, by name. Each waits 200 ms beside its lock.
let lockClients: [String: @Sendable () throws -> Void] = [
    "nslock": {
        shared.nsLock.lock()
        try shared.section()
        shared.nsLock.unlock()
        usleep(200_000)
    },
    "nsrecursivelock": {
        shared.recursive.lock()
        shared.recursive.lock()
        try shared.section()
        shared.recursive.unlock()
        try shared.section()
        shared.recursive.unlock()
        usleep(200_000)
    },
    "mutex": {
        try shared.mutex.withLock { _ in try shared.section() }
        usleep(200_000)
    },
    "errorcheck": {
        let mutex = shared.errorCheck.mutex
        try check(pthread_mutex_lock(mutex) == 0, "lock")
        try shared.section()
        try check(pthread_mutex_lock(mutex) == EDEADLK, "a second lock by the owner is a deadlock")
        try check(pthread_mutex_unlock(mutex) == 0, "unlock")
        try check(pthread_mutex_unlock(mutex) == EPERM, "an unlock by another is refused")
        usleep(200_000)
    },
    "trylock": {
        let lock = NSLock()
        lock.lock()
        let other = spawn { lock.lock(before: Date(timeIntervalSinceNow: 0.2)) || lock.try() }
        try check(try !other.wait(), "a lock that is held is not given to another green thread")
        lock.unlock()
        try check(lock.try(), "a free lock is")
    },
    "nscondition": {
        let condition = NSCondition()
        condition.lock()
        try check(!condition.wait(until: Date(timeIntervalSinceNow: 0.2)), "nobody signals")
        condition.unlock()
    },
    "nscondition-signal": {
        let condition = NSCondition()
        let isReady = Mutex(false)
        Thread.detachNewThread {
            usleep(200_000)
            condition.lock()
            isReady.withLock { $0 = true }
            condition.signal()
            condition.unlock()
        }
        condition.lock()
        while !isReady.withLock({ $0 }) { condition.wait() }
        condition.unlock()
    },
    "static-let": {
        // The first client alone initializes one value, the others together initialize the other.
        let isFirst = shared.isFirst.withLock { isFirst in
            defer { isFirst = false }
            return isFirst
        }
        try check((isFirst ? Slow.one : Slow.other) == 1, "the value")
    },
    "dispatch-semaphore": {
        let semaphore = DispatchSemaphore(value: 0)
        DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(200)) { semaphore.signal() }
        semaphore.wait()
    },
    "dispatch-semaphore-limit": {
        try check(DispatchSemaphore(value: 0).wait(timeout: .now() + .milliseconds(200)) == .timedOut, "nobody signals")
    },
    "dispatch-group": {
        let group = DispatchGroup()
        group.enter()
        DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(200)) { group.leave() }
        group.wait()
    },
    "sem": {
        var semaphore = sem_t()
        sem_init(&semaphore, 0, 1)
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        time.tv_nsec += 200_000_000
        if time.tv_nsec >= 1_000_000_000 { (time.tv_sec, time.tv_nsec) = (time.tv_sec + 1, time.tv_nsec - 1_000_000_000) }
        try check(sem_wait(&semaphore) == 0, "sem_wait")
        try check(sem_timedwait(&semaphore, &time) == -1 && errno == ETIMEDOUT, "sem_timedwait gives up")
    },
    "rwlock": {
        // Many read at once, and one writes.
        let lock = shared.rwlock.lock
        try check(pthread_rwlock_rdlock(lock) == 0, "rdlock")
        usleep(100_000)
        try check(pthread_rwlock_unlock(lock) == 0, "unlock")
        try check(pthread_rwlock_wrlock(lock) == 0, "wrlock")
        try shared.section()
        try check(pthread_rwlock_wrlock(lock) == EDEADLK, "the writer wants to write again")
        try check(pthread_rwlock_tryrdlock(lock) == EBUSY, "the writer wants to read")
        try check(pthread_rwlock_unlock(lock) == 0, "unlock")
        usleep(100_000)
    },
    "rwlock-limit": {
        let lock = PthreadRWLock()
        try check(pthread_rwlock_wrlock(lock.lock) == 0, "wrlock")
        let other = spawn {
            var time = timespec()
            clock_gettime(CLOCK_REALTIME, &time)
            time.tv_nsec += 200_000_000
            if time.tv_nsec >= 1_000_000_000 { (time.tv_sec, time.tv_nsec) = (time.tv_sec + 1, time.tv_nsec - 1_000_000_000) }
            return (pthread_rwlock_timedrdlock(lock.lock, &time), pthread_rwlock_trywrlock(lock.lock))
        }
        let (timed, tried) = try other.wait()
        try check(timed == ETIMEDOUT && tried == EBUSY, "timedrdlock \(timed), trywrlock \(tried)")
        try check(pthread_rwlock_unlock(lock.lock) == 0, "unlock")
    },
    "barrier": {
        // Two green threads and an OS thread, three rounds, and the last to leave destroys it.
        let barrier = PthreadBarrier(3)
        let serial = Atomic(0)
        let arrive: @Sendable () -> Void = {
            for _ in 0..<3 {
                if pthread_barrier_wait(barrier.barrier) == PTHREAD_BARRIER_SERIAL_THREAD { serial.add(1, ordering: .relaxed) }
            }
        }
        let ended = DispatchSemaphore(value: 0)
        Thread.detachNewThread {
            usleep(200_000)
            arrive()
            ended.signal()
        }
        let other = spawn { arrive() }
        arrive()
        try other.wait()
        ended.wait()
        try check(serial.load(ordering: .relaxed) == 3, "one serial thread per round")
        try check(pthread_barrier_destroy(barrier.barrier) == 0, "destroy")
    },
    "mutex-shared": {
        // A mutex that other processes may use.
        let mutex = PthreadMutex(shared: true)
        pthread_mutex_lock(mutex.mutex)
        let other = spawn {
            pthread_mutex_lock(mutex.mutex)
            pthread_mutex_unlock(mutex.mutex)
        }
        usleep(200_000)
        try check(!other.isFinished, "the mutex is held")
        pthread_mutex_unlock(mutex.mutex)
        try other.wait()
    },
    "sem-shared": {
        var semaphore = sem_t()
        sem_init(&semaphore, 1, 0)
        nonisolated(unsafe) let pointer = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
        pointer.initialize(to: semaphore)
        defer { pointer.deallocate() }
        let posting = spawn {
            usleep(200_000)
            sem_post(pointer)
        }
        try check(sem_wait(pointer) == 0, "sem_wait")
        try posting.wait()
    },
    "dump": {
        // A dump of the hub lists the calls, and the mutexes that a green thread holds.
        let lock = NSLock()
        let holder = spawn(name: "holder") {
            lock.lock()
            usleep(100_000)
            lock.unlock()
        }
        usleep(50_000)
        let dump = Hub.current!.dump()
        try check(dump.calls.contains { $0.hasPrefix("usleep: ") }, "the calls: \(dump.calls)")
        let states = dump.greenThreads.filter { $0.name == "holder" }.map(\.state)
        try check(states.contains { $0.hasSuffix("with a mutex locked") }, "the holders: \(states)")
        try holder.wait()
        usleep(100_000)
    },
    "immediate": {
        // A task that runs on this green stack cannot park it: libc blocks the hub's thread, and says so in the report.
        let lock = NSLock()
        let ended = DispatchSemaphore(value: 0)
        Task.immediate {
            blockBriefly(lock)
            ended.signal()
        }
        ended.wait()
        usleep(200_000)
    },
    "queue-sync": {
        // Two green threads of one hub are not one owner of the queue.
        let value = shared.queue.sync {
            shared.inQueue += 1
            return shared.inQueue
        }
        try check(value > 0, "the value")
        try check(try shared.queue.sync(flags: .barrier) { try noError() }, "the value of a barrier")
        usleep(200_000)
    },
    "queue-wait": {
        // The work waits. It runs on a thread of libdispatch, so it parks no green stack that the queue takes for its owner.
        let queue = DispatchQueue(label: "waits")
        let other = spawn { queue.sync { _ = usleep(1_000) } }
        queue.sync { _ = usleep(1_000) }
        try other.wait()
        usleep(200_000)
    },
    "sem-signal": {
        // A signal handler posts, at any time: also while its thread changes the table of waiters. It is libc's timer that sends.
        let poster = SignalPoster.shared
        poster.begin()
        for _ in 0..<20 { try check(sem_wait(poster.semaphore) == 0, "sem_wait") }
        poster.end()
        usleep(200_000)
    },
    "core": {
        // Tandem's own calls on a green stack are not counted as unmodified code.
        try withPair({ socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0, $0) }) { one, other in
            let sending = try Descriptor(adopting: one), receiving = try Descriptor(adopting: other)
            defer { _ = (sending.relinquish(), receiving.relinquish()) }
            let before = TandemPatch.report().filter { ["read", "write", "send", "recv"].contains($0.function) }.map(\.calls)
            let group = try HubGroup(count: 1)
            defer { group.shutdown() }
            // A post to another hub writes to its eventfd.
            let elsewhere = GreenThread(on: group.hubs[0]) { try sleep(for: .milliseconds(200)) }
            _ = try [UInt8](repeating: 1, count: 4).withUnsafeBytes { try sending.writeAvailable($0) }
            var bytes = [UInt8](repeating: 0, count: 4)
            try receiving.wait(for: .readable)
            try check(try bytes.withUnsafeMutableBytes { try receiving.readAvailable(into: $0) } == 4, "four bytes")
            try elsewhere.wait()
            let after = TandemPatch.report().filter { ["read", "write", "send", "recv"].contains($0.function) }.map(\.calls)
            try check(before == after, "calls of the core: \(before), \(after)")
        }
    },
    "once": {
        pthread_once(shared.once) {
            usleep(100_000)
            onceCount.add(1, ordering: .relaxed)
        }
        try check(onceCount.load(ordering: .relaxed) == 1, "the routine has run once")
        usleep(200_000)
    },
    "yield": {
        // A loop that waits for another green thread.
        let flag = Atomic(false)
        let other = spawn {
            usleep(200_000)
            flag.store(true, ordering: .relaxed)
        }
        while !flag.load(ordering: .relaxed) { sched_yield() }
        try other.wait()
    },
    "join": {
        var thread = pthread_t()
        try check(
            pthread_create(
                &thread, nil,
                { _ in
                    usleep(20_000)
                    return nil
                }, nil) == 0, "pthread_create")
        try check(pthread_join(thread, nil) == 0, "pthread_join")
        usleep(200_000)
    },
    "getaddrinfo": {
        var found: UnsafeMutablePointer<addrinfo>?
        try check(getaddrinfo("localhost", "80", nil, &found) == 0, "getaddrinfo")
        freeaddrinfo(found)
        usleep(200_000)
    },
    "cancelled-lock": {
        // A cancellation does not end the wait for a lock: the code behind it relies on holding it.
        let lock = NSLock()
        lock.lock()
        let thread = spawn {
            lock.lock()
            defer { lock.unlock() }
            return Task.isCancelled
        }
        usleep(100_000)
        thread.cancel()
        usleep(100_000)
        try check(!thread.isFinished, "the lock is held")
        lock.unlock()
        try check(try thread.wait(), "the thread is cancelled")
    },
]

private let onceCount = Atomic(0)

/// A timer whose signal handler posts to a semaphore ten thousand times per second, while any client waits for it.
// @unchecked: the count is changed with the mutex locked.
private final class SignalPoster: @unchecked Sendable {
    static let shared = SignalPoster()
    let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
    private let users = Mutex(0)

    init() {
        sem_init(semaphore, 0, 0)
        handledSemaphore = semaphore
        signal(SIGALRM) { _ in sem_post(handledSemaphore) }
        // On the hub's thread. The parent of this process may have blocked the signal.
        var set = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, SIGALRM)
        pthread_sigmask(SIG_UNBLOCK, &set, nil)
    }

    func begin() {
        users.withLock {
            if $0 == 0 { arm(100) }; $0 += 1
        }
    }
    func end() {
        users.withLock {
            $0 -= 1; if $0 == 0 { arm(0) }
        }
    }

    private func arm(_ microseconds: Int) {
        let every = timeval(tv_sec: 0, tv_usec: microseconds)
        var timer = itimerval(it_interval: every, it_value: every)
        setitimer(__itimer_which_t(ITIMER_REAL.rawValue), &timer, nil)
    }
}

// Set once, before the handler is.
nonisolated(unsafe) private var handledSemaphore: UnsafeMutablePointer<sem_t>!

private func noError() throws -> Bool { true }

/// Blocks this thread for a millisecond in a sleep, in poll and in a condition.
private func blockBriefly(_ lock: NSLock) {
    lock.lock()
    usleep(300)
    poll(nil, 0, 1)
    lock.unlock()
    let condition = NSCondition()
    condition.lock()
    _ = condition.wait(until: Date(timeIntervalSinceNow: 0.000_5))
    condition.unlock()
}

private enum Slow {
    static let one = slow()
    static let other = slow()

    private static func slow() -> Int {
        usleep(200_000)
        return 1
    }
}

/// What the clients share. The section is checked to have one green thread inside.
private let shared = Shared()

// @unchecked: the objects of C are made once and synchronize by themselves.
private final class Shared: @unchecked Sendable {
    let nsLock = NSLock()
    let recursive = NSRecursiveLock()
    let mutex = Mutex(())
    let errorCheck = PthreadMutex(PTHREAD_MUTEX_ERRORCHECK)
    let isFirst = Mutex(true)
    let queue = DispatchQueue(label: "clients")
    var inQueue = 0
    let rwlock = PthreadRWLock()
    let once = UnsafeMutablePointer<pthread_once_t>.allocate(capacity: 1)
    init() { once.initialize(to: pthread_once_t()) }
    private let inside = Atomic(0)

    func section() throws {
        try check(inside.add(1, ordering: .relaxed).newValue == 1, "another thread is inside")
        usleep(1_000)
        inside.subtract(1, ordering: .relaxed)
    }
}

// @unchecked: a mutex of pthreads synchronizes by itself.
final class PthreadMutex: @unchecked Sendable {
    let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)

    init(_ type: Int = PTHREAD_MUTEX_NORMAL, shared: Bool = false) {
        var attributes = pthread_mutexattr_t()
        pthread_mutexattr_init(&attributes)
        pthread_mutexattr_settype(&attributes, CInt(type))
        if shared { pthread_mutexattr_setpshared(&attributes, CInt(PTHREAD_PROCESS_SHARED)) }
        pthread_mutex_init(mutex, &attributes)
    }
}

// @unchecked: a lock of pthreads synchronizes by itself.
final class PthreadRWLock: @unchecked Sendable {
    let lock = UnsafeMutablePointer<pthread_rwlock_t>.allocate(capacity: 1)

    init() { pthread_rwlock_init(lock, nil) }
}

// @unchecked: a barrier of pthreads synchronizes by itself.
final class PthreadBarrier: @unchecked Sendable {
    let barrier = UnsafeMutablePointer<pthread_barrier_t>.allocate(capacity: 1)

    init(_ count: UInt32) { pthread_barrier_init(barrier, nil, count) }
}

/// Wants a lock in async code that a parked green thread of the same hub holds.
func deadlock(_ name: String) async throws {
    let lock: any NSLocking & Sendable = name == "deadlock" ? NSLock() : NSRecursiveLock()
    let mutex = Mutex(())
    let rwlock = PthreadRWLock()
    spawn(name: "holder") {
        if name == "deadlock-rwlock" {
            pthread_rwlock_rdlock(rwlock.lock)
            usleep(5_000_000)
        }
        if name == "deadlock-mutex" { return mutex.withLock { _ in _ = usleep(5_000_000) } }
        lock.lock()
        usleep(5_000_000)
        lock.unlock()
    }
    try await sleep(for: .milliseconds(50))
    if name == "deadlock-rwlock" { write(rwlock) }
    take(name, lock, mutex)
}

private func write(_ rwlock: PthreadRWLock) { pthread_rwlock_wrlock(rwlock.lock) }

private func take(_ name: String, _ lock: any NSLocking, _ mutex: borrowing Mutex<Void>) {
    if name == "deadlock-mutex" { return mutex.withLock { _ in } }
    lock.lock()
    lock.unlock()
}
