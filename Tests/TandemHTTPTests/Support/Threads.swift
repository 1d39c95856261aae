import Dispatch
import Glibc
import Synchronization

/// Runs each job on an OS thread of its own, so that a test may block without taking a thread from Swift's pool. Task-locals,
/// and with them the current test, come along.
final class ThreadPerJob: TaskExecutor {
    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        startThread { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}

/// Runs blocking test code on an OS thread of its own.
func onOwnThread<Success: Sendable>(_ body: @escaping @Sendable () throws -> Success) async throws -> Success {
    try await withTaskExecutorPreference(ThreadPerJob()) { try await { @concurrent () async throws in try body() }() }
}

/// A result that one OS thread makes and another waits for.
final class Promise<Value: Sendable>: Sendable {
    private let result = Mutex<Result<Value, any Error>?>(nil)
    private let done = DispatchSemaphore(value: 0)

    func settle(_ outcome: Result<Value, any Error>) {
        result.withLock { $0 = $0 ?? outcome }
        done.signal()
    }

    func wait(seconds: Int = 30) throws -> Value {
        guard done.wait(timeout: .now() + .seconds(seconds)) == .success else { throw ClientError.timedOut }
        done.signal()
        return try result.withLock { $0! }.get()
    }
}

/// Blocks this OS thread until the async code has ended.
func blockThread<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) throws -> Value {
    let promise = Promise<Value>()
    Task {
        do { promise.settle(.success(try await body())) } catch { promise.settle(.failure(error)) }
    }
    return try promise.wait()
}

/// Starts blocking code on an OS thread; `wait` joins it.
func inBackground<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) -> Promise<Value> {
    let promise = Promise<Value>()
    startThread { promise.settle(Result { try body() }) }
    return promise
}

private func startThread(_ body: @escaping @Sendable () -> Void) {
    final class Box: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var thread = pthread_t()
    let failed = pthread_create(
        &thread, nil,
        { box in
            Unmanaged<Box>.fromOpaque(box!).takeRetainedValue().body()
            return nil
        }, Unmanaged.passRetained(Box(body)).toOpaque())
    precondition(failed == 0, "pthread_create: errno \(failed)")
    pthread_detach(thread)
}

/// Counts from any thread.
final class Count: Sendable {
    private let number = Mutex(0)
    var value: Int { number.withLock { $0 } }
    @discardableResult func add(_ more: Int = 1) -> Int {
        number.withLock {
            $0 += more; return $0
        }
    }
}

/// Collects from any thread.
final class Collected<Element: Sendable>: Sendable {
    private let elements = Mutex<[Element]>([])
    var all: [Element] { elements.withLock { $0 } }
    func add(_ element: Element) { elements.withLock { $0.append(element) } }
}

/// Blocks this OS thread.
func pause(milliseconds: Int) { usleep(UInt32(milliseconds * 1000)) }

/// Asks until it is so, for a generous time.
func eventually(seconds: Double = 5, _ condition: () throws -> Bool) rethrows -> Bool {
    let start = ContinuousClock.now
    while ContinuousClock.now - start < .seconds(seconds) {
        if try condition() { return true }
        pause(milliseconds: 2)
    }
    return try condition()
}

/// Numbers of descriptors that this process has open.
func openDescriptors() -> Int {
    guard let directory = opendir("/proc/self/fd") else { return -1 }
    defer { closedir(directory) }
    var count = 0
    while readdir(directory) != nil { count += 1 }
    return count
}
