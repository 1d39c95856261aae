import Dispatch
import Glibc
import Synchronization
import Tandem
import TandemTesting

/// Runs blocking test code on a green thread of a new hub, so that it may block that hub's OS thread, and wait by Tandem's blocking
/// functions. Task-locals, including the current test, are those of the caller.
func onOwnThread<Success: Sendable>(_ body: @escaping @Sendable () throws -> Success) async throws -> Success {
    var configuration = HubConfiguration()
    configuration.name = "test client"
    configuration.stackSize = 1 << 20
    // A hub with a blocked thread is not stuck.
    configuration.stuckThreshold = nil
    let group = try HubGroup(count: 1, configuration: configuration)
    let outcome: Result<Success, any Error>
    do {
        outcome = .success(try await group.hubs[0].visit { try await blocking(name: "test client", body) })
    } catch {
        outcome = .failure(error)
    }
    await group.shutdown()
    return try outcome.get()
}

/// A result that one thread produces and another waits for.
final class Promise<Value: Sendable>: Sendable {
    private let result = Mutex<Result<Value, any Error>?>(nil)
    private let done = DispatchSemaphore(value: 0)

    func settle(_ outcome: Result<Value, any Error>) {
        result.withLock { $0 = $0 ?? outcome }
        done.signal()
    }

    func wait(seconds: Int = 30) throws -> Value {
        guard done.wait(timeout: .now() + .seconds(seconds)) == .success else {
            throw TestClientError(.timedOut, "an OS thread of the test has not ended within \(seconds) s")
        }
        done.signal()
        return try result.withLock { $0! }.get()
    }
}

/// Blocks this OS thread until the async code has returned.
func blockThread<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) throws -> Value {
    let promise = Promise<Value>()
    Task {
        do { promise.settle(.success(try await body())) } catch { promise.settle(.failure(error)) }
    }
    return try promise.wait()
}

/// Starts blocking code on a new OS thread. `wait` on the result joins it.
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

/// A counter for any thread.
final class Count: Sendable {
    private let number = Mutex(0)
    var value: Int { number.withLock { $0 } }
    @discardableResult func add(_ more: Int = 1) -> Int {
        number.withLock {
            $0 += more; return $0
        }
    }
}

/// A list to which any thread can add.
final class Collected<Element: Sendable>: Sendable {
    private let elements = Mutex<[Element]>([])
    var all: [Element] { elements.withLock { $0 } }
    func add(_ element: Element) { elements.withLock { $0.append(element) } }
}

/// Blocks this OS thread.
func pause(milliseconds: Int) { usleep(UInt32(milliseconds * 1000)) }

/// Checks a condition until it is true, for up to `seconds`.
func eventually(seconds: Double = 5, _ condition: () throws -> Bool) rethrows -> Bool {
    let start = ContinuousClock.now
    while ContinuousClock.now - start < .seconds(seconds) {
        if try condition() { return true }
        pause(milliseconds: 2)
    }
    return try condition()
}

/// Returns the open descriptors of this process, each with the file that it refers to. A test has left none open if all were there
/// before. A count would also change when a connection ends that another suite has left idle.
func openDescriptors() -> Set<String> {
    guard let directory = opendir("/proc/self/fd") else { return [] }
    defer { closedir(directory) }
    var found: Set<String> = []
    while let entry = readdir(directory) {
        let number = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        guard let fd = CInt(number), fd != dirfd(directory) else { continue }
        var target = [UInt8](repeating: 0, count: 256)
        let length = target.withUnsafeMutableBytes {
            readlink("/proc/self/fd/\(fd)", $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
        }
        // Another thread may have closed it meanwhile.
        if length > 0 { found.insert("\(fd) \(String(decoding: target[..<length], as: UTF8.self))") }
    }
    return found
}
