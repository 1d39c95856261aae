internal import CTandem
internal import Glibc
internal import Synchronization
internal import Testing

@testable import Tandem

/// The number of hubs on which `onHub` runs its body.
enum TestHubs {
    /// A copy of the body on each of TANDEM_TEST_HUBS hubs of one group; without the variable, on one hub.
    case several
    /// One hub, for a reason: the body shares its captures with the test, or counts resources of the process.
    case one(StaticString)

    var count: Int {
        guard case .several = self, let number = getenv("TANDEM_TEST_HUBS") else { return 1 }
        return max(1, Int(atol(number)))
    }
}

/// Runs `body` as a task on a new hub on a new OS thread, and then checks that the hub is as empty as before:
/// no stack, wait, deadline, task or descriptor is left. The check follows at once, without letting anything
/// settle: when a call of Tandem has returned, it must have cleaned up.
@discardableResult
func onHub<Success: Sendable>(
    _ configuration: HubConfiguration = HubConfiguration(), hubs: TestHubs = .several,
    sourceLocation: SourceLocation = #_sourceLocation, _ body: @escaping @Sendable () async throws -> Success
) async throws -> Success {
    let group = try HubGroup(count: hubs.count, configuration: configuration)
    let finish = Event<Void>()
    let copies = group.hubs.map { hub in
        // Like the main task of `Hub.run`, this task waits and was not spawned by the hub.
        Task(executorPreference: hub) { try await finish.wait() }
        // The task is created here, so that its expectations belong to the running test.
        return Task(executorPreference: hub) { () -> Result<Success, any Error> in
            // In a seeded order this task may run first.
            while hub.statistics.waits == 0 { await Task.yield() }
            let before = hub.statistics
            let outcome: Result<Success, any Error>
            do { outcome = .success(try await body()) } catch { outcome = .failure(error) }
            #expect(hub.statistics.living == before.living, sourceLocation: sourceLocation)
            return outcome
        }
    }
    var outcomes: [Result<Success, any Error>] = []
    for copy in copies { outcomes.append(await copy.value) }
    finish.send(())
    // Unowned, because the thread may still be ending when the caller counts descriptors.
    try await onThread { [unowned group] in group.shutdown() }
    return try outcomes.map { try $0.get() }[0]
}

/// Runs `body` on a new OS thread without a hub or a task, and returns its result when the thread has ended.
func onThread<Success: Sendable>(_ body: @escaping @Sendable () throws -> Success) async throws -> Success {
    try await withCheckedThrowingContinuation { continuation in
        startThread { continuation.resume(with: Result(catching: body)) }
    }
}

/// Starts a detached OS thread.
func startThread(_ body: @escaping @Sendable () -> Void) {
    final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }
    var thread = pthread_t()
    let failed = pthread_create(
        &thread, nil,
        {
            Unmanaged<Body>.fromOpaque($0!).takeRetainedValue().run()
            return nil
        }, Unmanaged.passRetained(Body(body)).toOpaque())
    precondition(failed == 0, "pthread_create: errno \(failed)")
    pthread_detach(thread)
}

struct Unexpected: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

extension HubStatistics {
    /// The statistics of live objects, without the counters that only grow.
    var living: [String: Int] {
        ["green threads": greenThreads, "tasks": tasks, "waits": waits, "timers": timers, "descriptors": descriptors]
    }
}

extension Hub {
    /// The statistics of the caller's hub.
    static var counts: HubStatistics { Hub.current!.statistics }
}

/// An error with a number to tell it from others.
struct Failure: Error, Equatable { var number = 0 }

/// An error that is compared by identity.
final class FailureObject: Error {}

/// Also carries misuse of the bridge, so that `awaiting` may throw just this type.
enum TypedFailure: BridgeFailure, Equatable {
    case own(Int)
    case misused(TandemError)
    init(misuse: TandemError) { self = .misused(misuse) }
}

/// A value that several tasks of a test add to, from any thread.
final class Recorder<Element: Sendable>: Sendable {
    private let elements = Mutex<[Element]>([])
    var all: [Element] { elements.withLock { $0 } }
    var count: Int { elements.withLock { $0.count } }
    func add(_ element: Element) { elements.withLock { $0.append(element) } }
}

/// A number that several tasks of a test count up, from any thread.
final class Counter: Sendable {
    private let number = Atomic<Int>(0)
    var value: Int { number.load(ordering: .sequentiallyConsistent) }
    func add(_ amount: Int = 1) { number.add(amount, ordering: .sequentiallyConsistent) }
}

enum Local {
    @TaskLocal static var level = 0
}

/// A wait longer than any test. Its end is never expected.
let forever = Duration.seconds(3600)

/// Lets all others run until `condition` holds. Fails instead of looping forever.
func turnUntil(sourceLocation: SourceLocation = #_sourceLocation, _ condition: () -> Bool) async throws {
    let deadline = Deadline.after(.seconds(20))
    while !condition() {
        guard deadline > .after(.zero) else {
            Issue.record("still not so after 20 seconds", sourceLocation: sourceLocation)
            throw Unexpected("timed out")
        }
        try await sleep(for: .zero)
    }
}

/// Lets all others run until this many calls of the test wait on its hub. (One more is `onHub`'s own.)
func turnUntilParked(_ number: Int, sourceLocation: SourceLocation = #_sourceLocation) async throws {
    try await turnUntil(sourceLocation: sourceLocation) { Hub.counts.waits == number + 1 }
}

/// xorshift: the same numbers in each run.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64
    init(seed: UInt64) { state = seed | 1 }
    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state &* 0x2545_F491_4F6C_DD1D
    }
}

/// Which sanitizer this process was built with.
enum Sanitizer {
    static let address = dlsym(nil, "__asan_init") != nil
    static let thread = dlsym(nil, "__tsan_init") != nil
    static var any: Bool { address || thread }
}

/// Calls `body` directly, so that async code can call a `noasync` function unnoticed by the compiler.
func synchronously<Success>(_ body: () throws -> Success) rethrows -> Success { try body() }

// MARK: Descriptors

/// The number of open file descriptors among the first 4096.
func openDescriptors() -> Int { (0..<4096).count { fcntl($0, F_GETFD) != -1 } }

/// Two connected non-blocking sockets, by default stream sockets.
func socketPair(type: CInt = CInt(SOCK_STREAM.rawValue), bufferSize: CInt? = nil) -> (CInt, CInt) {
    var pair: [CInt] = [-1, -1]
    let type = type | CInt(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
    precondition(socketpair(AF_UNIX, type, 0, &pair) == 0, "socketpair: errno \(errno)")
    if var bufferSize {
        for fd in pair {
            setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bufferSize, socklen_t(MemoryLayout<CInt>.size))
            setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bufferSize, socklen_t(MemoryLayout<CInt>.size))
        }
    }
    return (pair[0], pair[1])
}

/// Two descriptors of the current hub, connected.
func descriptorPair(bufferSize: CInt? = nil) throws -> (Descriptor, Descriptor) {
    let (a, b) = socketPair(bufferSize: bufferSize)
    return (try Descriptor(adopting: a), try Descriptor(adopting: b))
}

/// A non-blocking TCP listener on a free port of the loopback address, with its address.
func tcpListener() -> (fd: CInt, address: sockaddr_in) {
    let fd = tcpSocket()
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = in_addr_t(INADDR_LOOPBACK).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    withUnsafeMutablePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            precondition(bind(fd, $0, length) == 0 && listen(fd, 128) == 0 && getsockname(fd, $0, &length) == 0)
        }
    }
    return (fd, address)
}

func tcpSocket() -> CInt {
    socket(AF_INET, CInt(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
}

/// Starts to connect. On loopback the connection is established at once or in progress.
func startConnecting(_ fd: CInt, to address: sockaddr_in) {
    var address = address
    withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            _ = connect(fd, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
    }
}

extension Descriptor {
    func send(_ text: String) throws {
        var text = text
        let put = try text.withUTF8 { try writeAvailable(UnsafeRawBufferPointer($0)) }
        #expect(put == text.utf8.count)
    }

    func receive(deadline: Deadline = .never) async throws -> String {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 1)
        defer { buffer.deallocate() }
        let count = try await read(into: buffer, deadline: deadline)
        return String(decoding: buffer[..<count], as: UTF8.self)
    }

    @available(*, noasync)
    func receive(deadline: Deadline = .never) throws -> String {
        try withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { buffer in
            let count = try read(into: buffer, deadline: deadline)
            return String(decoding: buffer[..<count], as: UTF8.self)
        }
    }
}

/// The identity of the running task.
func currentTask() -> UnsafeRawPointer? { tandem_current_task() }

/// Whether this is an optimized build, where `assert` does nothing.
let isOptimized: Bool = {
    var optimized = true
    assert(
        {
            optimized = false; return true
        }())
    return optimized
}()
