import CTandem
import Foundation
import Glibc
import Synchronization
import Tandem

/// What a cancellation does to each kind of call, by name: by `GreenThread.cancel` and by the expiry of a `withTimeout`.
let cancellationClients: [String: @Sendable () throws -> Void] = [
    "cancelled-calls": {
        for (name, call) in interruptibleCalls {
            let thread = spawn { call() }
            usleep(5_000)
            thread.cancel()
            let (result, error) = try thread.wait()
            try check(result == -1 && error == ECANCELED, "\(name) after a cancellation: \(result), errno \(error)")
        }
        usleep(100_000)
    },
    "expired-calls": {
        for (name, call) in interruptibleCalls {
            let outcome = Outcome()
            do { try withTimeout(.milliseconds(5)) { outcome.value = call() } } catch let error as TandemError
                where error.code == .timedOut
            {}
            let (result, error) = outcome.value
            try check(result == -1 && error == ECANCELED, "\(name) in an expired scope: \(result), errno \(error)")
        }
        usleep(100_000)
    },
    "cancelled-sleeps": {
        // One sleep per green thread ends early, whichever function it is.
        let sleeps: [(String, @Sendable () -> (CInt, CInt))] = [
            ("usleep", { (usleep(5_000_000), errno) }),
            ("sleep", { (sleep(5) > 3 ? -1 : 0, EINTR) }),
            (
                "nanosleep",
                {
                    var time = timespec(tv_sec: 5, tv_nsec: 0), rest = timespec()
                    let result = nanosleep(&time, &rest)
                    return (rest.tv_sec == 4 ? result : 0, errno)
                }
            ),
            (
                "clock_nanosleep",
                {
                    var time = timespec(tv_sec: 5, tv_nsec: 0)
                    return (-1, clock_nanosleep(CLOCK_MONOTONIC, 0, &time, nil))
                }
            ),
        ]
        for (name, call) in sleeps {
            let thread = spawn { call() }
            usleep(5_000)
            thread.cancel()
            let (result, error) = try thread.wait()
            try check(result == -1 && error == EINTR, "\(name) after a cancellation: \(result), errno \(error)")
        }
        usleep(100_000)
    },
    "deaf-calls": {
        // The code behind a lock relies on holding it, so a cancellation does not end the wait.
        let mutex = PthreadMutex(), recursive = PthreadMutex(PTHREAD_MUTEX_RECURSIVE), rwlock = PthreadRWLock()
        let condition = PthreadCondition(), barrier = PthreadBarrier(2)
        nonisolated(unsafe) let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
        defer { semaphore.deallocate() }
        sem_init(semaphore, 0, 0)
        pthread_mutex_lock(mutex.mutex)
        pthread_mutex_lock(recursive.mutex)
        pthread_rwlock_wrlock(rwlock.lock)
        let calls: [(String, @Sendable () -> CInt)] = [
            ("pthread_mutex_lock", { pthread_mutex_lock(mutex.mutex) | pthread_mutex_unlock(mutex.mutex) }),
            ("of a recursive mutex", { pthread_mutex_lock(recursive.mutex) | pthread_mutex_unlock(recursive.mutex) }),
            ("pthread_rwlock_rdlock", { pthread_rwlock_rdlock(rwlock.lock) | pthread_rwlock_unlock(rwlock.lock) }),
            ("pthread_cond_wait", { condition.wait() }),
            ("pthread_barrier_wait", { min(0, pthread_barrier_wait(barrier.barrier) + 1) }),
            ("sem_wait", { sem_wait(semaphore) }),
            ("DispatchQueue.sync", { DispatchQueue(label: "deaf").sync { usleep(20_000) } }),
            ("getaddrinfo", { lookUp() }),
        ]
        let begun = Atomic(0)
        let waiting = calls.map { name, call in
            (
                name,
                spawn {
                    begun.add(1, ordering: .relaxed)
                    return call()
                }
            )
        }
        while begun.load(ordering: .relaxed) < calls.count { usleep(1_000) }
        usleep(5_000)
        for (_, thread) in waiting { thread.cancel() }
        usleep(5_000)
        for (name, thread) in waiting where !["DispatchQueue.sync", "getaddrinfo"].contains(name) {
            try check(!thread.isFinished, "\(name) waits after a cancellation")
        }
        pthread_mutex_unlock(mutex.mutex)
        pthread_mutex_unlock(recursive.mutex)
        pthread_rwlock_unlock(rwlock.lock)
        condition.signal()
        pthread_barrier_wait(barrier.barrier)
        sem_post(semaphore)
        for (name, thread) in waiting { try check(try thread.wait() == 0, "\(name) returns its result") }
        usleep(100_000)
    },
]

/// Calls that wait, with what they need, and their result and errno.
private let interruptibleCalls: [(String, @Sendable () -> (CInt, CInt))] = [
    ("read", { withPipe { reader, _, bytes in CInt(read(reader, bytes, 1)) } }),
    (
        "readv",
        {
            withPipe { reader, _, bytes in
                var part = iovec(iov_base: bytes, iov_len: 1); return CInt(readv(reader, &part, 1))
            }
        }
    ),
    (
        "write",
        {
            withPipe { _, writer, bytes in
                fill(writer); return CInt(write(writer, bytes, 1))
            }
        }
    ),
    ("recv", { withSockets { one, _, bytes in CInt(recv(one, bytes, 1, 0)) } }),
    ("recvfrom", { withSockets { one, _, bytes in CInt(recvfrom(one, bytes, 1, 0, nil, nil)) } }),
    (
        "send",
        {
            withSockets { one, _, bytes in
                fill(one); return CInt(send(one, bytes, 1, 0))
            }
        }
    ),
    (
        "poll",
        {
            withPipe { reader, _, _ in
                var entry = pollfd(fd: reader, events: 1, revents: 0); return poll(&entry, 1, -1)
            }
        }
    ),
    (
        "select",
        {
            withPipe { reader, _, _ in
                var set = fd_set()
                withUnsafeMutableBytes(of: &set) { $0[Int(reader) / 8] |= 1 << (UInt8(reader) % 8) }
                return select(reader + 1, &set, nil, nil, nil)
            }
        }
    ),
    (
        "epoll_wait",
        {
            let epoll = epoll_create1(0)
            defer { close(epoll) }
            var event = epoll_event()
            return (epoll_wait(epoll, &event, 1, -1), errno)
        }
    ),
    (
        "accept",
        {
            let listener = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
            defer { close(listener) }
            listen(listener, 1)
            return (accept(listener, nil, nil), errno)
        }
    ),
    (
        "fgets",
        {
            withPipe { reader, _, bytes in
                let stream = fdopen(dup(reader), "r")!
                defer { keepingErrno { fclose(stream) } }
                return fgets(bytes, 10, stream) == nil ? -1 : 0
            }
        }
    ),
    (
        "msgrcv",
        {
            let queue = msgget(IPC_PRIVATE, 0o600)
            var message = [Int](repeating: 0, count: 2)
            defer { msgctl(queue, IPC_RMID, nil) }
            return (CInt(msgrcv(queue, &message, 8, 0, 0)), errno)
        }
    ),
    (
        "flock",
        {
            var path = Array("/tmp/tandem-legacy-XXXXXX".utf8CString)
            let one = mkstemp(&path), other = open(path, O_RDWR)
            defer { [one, other].forEach { close($0) } }
            unlink(path)
            flock(one, LOCK_EX)
            return (flock(other, LOCK_EX), errno)
        }
    ),
    (
        "waitpid",
        {
            var child: pid_t = 0
            let arguments = [strdup("sleep"), strdup("5"), nil]
            defer {
                arguments.forEach { free($0) }
                kill(child, SIGKILL)
                try? withCancellationShield { _ = waitpid(child, nil, 0) }
            }
            posix_spawn(&child, "/bin/sleep", nil, nil, arguments, nil)
            return (waitpid(child, nil, 0), errno)
        }
    ),
    (
        "opening a FIFO for writing",
        {
            let path = "/tmp/tandem-fifo-\(UUID().uuidString)"
            mkfifo(path, 0o600)
            defer { unlink(path) }
            return (open(path, O_WRONLY), errno)
        }
    ),
]

private func lookUp() -> CInt {
    var found: UnsafeMutablePointer<addrinfo>?
    defer { if found != nil { freeaddrinfo(found) } }
    return getaddrinfo("localhost", nil, nil, &found)
}

/// A place for the result of a call in another stack.
// @unchecked: written by the green thread that the caller waits for.
private final class Outcome: @unchecked Sendable {
    var value: (CInt, CInt) = (0, 0)
}

// @unchecked: a condition of pthreads synchronizes by itself, and the flag is used with the mutex locked.
private final class PthreadCondition: @unchecked Sendable {
    private let mutex = PthreadMutex()
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var isSignalled = false

    init() { pthread_cond_init(condition, nil) }

    func wait() -> CInt {
        var result = pthread_mutex_lock(mutex.mutex)
        while result == 0, !isSignalled { result = pthread_cond_wait(condition, mutex.mutex) }
        return result | pthread_mutex_unlock(mutex.mutex)
    }

    func signal() {
        pthread_mutex_lock(mutex.mutex)
        isSignalled = true
        pthread_cond_signal(condition)
        pthread_mutex_unlock(mutex.mutex)
    }
}

private func keepingErrno(_ body: () -> Void) {
    let saved = errno
    body()
    errno = saved
}

private func withPipe(_ call: (CInt, CInt, UnsafeMutablePointer<CChar>) -> CInt) -> (CInt, CInt) { with(pipe, call) }

private func withSockets(_ call: (CInt, CInt, UnsafeMutablePointer<CChar>) -> CInt) -> (CInt, CInt) {
    with({ socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0, $0) }, call)
}

private func with(
    _ make: (UnsafeMutablePointer<CInt>) -> CInt, _ call: (CInt, CInt, UnsafeMutablePointer<CChar>) -> CInt
) -> (CInt, CInt) {
    var pair: [CInt] = [-1, -1]
    precondition(make(&pair) == 0)
    defer { pair.forEach { close($0) } }
    var byte = [CChar](repeating: 0, count: 16)
    let result = call(pair[0], pair[1], &byte)
    return (result, errno)
}

/// Fills the buffer of a descriptor.
private func fill(_ fd: CInt) {
    let flags = fcntl(fd, F_GETFL)
    _ = fcntl(fd, F_SETFL, flags | O_NONBLOCK)
    let bytes = [UInt8](repeating: 0, count: 65_536)
    while write(fd, bytes, bytes.count) > 0 {}
    while write(fd, bytes, 1) > 0 {}
    _ = fcntl(fd, F_SETFL, flags)
}
