internal import CTandemPatch
internal import Glibc
internal import Tandem

/// Makes unmodified blocking code green: calls of libc that would block the hub's thread park the green thread that makes them.
///
/// Link this library into the executable, and switch it on first thing in `main`:
///
///     try TandemPatch.install()
///
/// From then on a blocking call of Swift code, Foundation or a C library on a green stack waits as Tandem's own calls do, and the
/// hub runs other code meanwhile. On every other thread, and in async code, the calls of libc are made as ever.
public enum TandemPatch {
    /// The areas of libc.
    public struct Area: OptionSet, Hashable, Sendable {
        /// The bits of the set.
        public let rawValue: UInt32
        /// Creates a set from its bits.
        public init(rawValue: UInt32) { self.rawValue = rawValue }
        /// Reading, writing and waiting for descriptors: read(2), recv(2), connect(2), accept(2), poll(2), select(2),
        /// epoll_wait(2) and their variants.
        public static let io = Area(rawValue: UInt32(TANDEM_PATCH_IO))
        /// Sleeping: sleep(3), usleep(3), nanosleep(2), clock_nanosleep(2).
        public static let time = Area(rawValue: UInt32(TANDEM_PATCH_TIME))
        /// Locks: mutexes, conditions and semaphores of pthreads, and the futexes of Swift's `Mutex`, of the initialization of
        /// globals and of libdispatch.
        public static let locks = Area(rawValue: UInt32(TANDEM_PATCH_LOCKS))
        /// Synchronous calls of libdispatch's queues, such as `DispatchQueue.sync`.
        public static let queues = Area(rawValue: UInt32(TANDEM_PATCH_QUEUES))
        /// Looking up names: getaddrinfo(3), getnameinfo(3), gethostbyname(3). An OS thread of the shared offload pool makes the call.
        public static let names = Area(rawValue: UInt32(TANDEM_PATCH_NAMES))
        /// Waiting for processes, threads and files: waitpid(2), system(3), pclose(3), pthread_join(3), flock(2). An OS thread of the
        /// shared offload pool makes the call.
        public static let processes = Area(rawValue: UInt32(TANDEM_PATCH_PROCESSES))
        /// All areas.
        public static let all: Area = [.io, .time, .locks, .queues, .names, .processes]
    }

    /// Switches these areas on, and all others off. Any thread.
    ///
    /// - Throws: `TandemPatchError` if the calls of a function in these areas do not arrive here.
    public static func install(_ areas: Area = .all) throws(TandemPatchError) {
        if let name = tandem_patch_unbound(areas.rawValue) { throw TandemPatchError(unbound: String(cString: name)) }
        tandem_patch_enable(areas.rawValue, hub)
    }

    /// Switches all areas off, for tests. Calls that wait go on. Any thread.
    public static func uninstall() { tandem_patch_enable(0, hub) }

    /// The areas that are switched on.
    public static var installed: Area { Area(rawValue: tandem_patch_areas()) }

    /// Runs `body` with the calls of libc itself, which block the hub's thread. Tandem's own calls in `body` wait as ever.
    ///
    /// - Throws: The error that `body` throws.
    @available(*, noasync)
    public static func original<Success, Failure: Error>(_ body: () throws(Failure) -> Success) throws(Failure) -> Success {
        tandem_patch_begin_original()
        defer { tandem_patch_end_original() }
        return try body()
    }

    /// The counts of one function of libc since the start of the process.
    public struct Count: Sendable, Hashable {
        /// The name of the function.
        public let function: String
        /// The calls that were made on a green stack.
        public let calls: UInt64
        /// The waits on the hub. One call may wait more than once.
        public let waits: UInt64
    }

    /// Returns the counts of all functions that were called on a green stack. Any thread.
    public static func report() -> [Count] {
        (0..<UInt32(TANDEM_PATCH_COUNT.rawValue)).compactMap { index in
            let counts = tandem_patch_count(index)
            guard counts.calls > 0 else { return nil }
            return Count(function: String(cString: tandem_patch_name(index)), calls: counts.calls, waits: counts.waits)
        }
    }

    private static let hub = tandem_patch_hub(
        poll: { entries, count, deadline, what in
            switch ForeignWait.poll(UnsafeBufferPointer(start: entries, count: count), deadline: deadline, for: what) {
            case .ready: .ready
            case .alwaysReady: .always_ready
            case .timedOut: .timed_out
            case .cancelled: .cancelled
            }
        },
        sleep: { ForeignWait.sleep(until: $0, for: $1) },
        begin: { ForeignWait.begin(deadline: $0, for: $1) },
        park: { ForeignWait.park($0) },
        offload: { job, context in ForeignWait.offload { job(context) } },
        deadlock: { lock, holder in ForeignWait.deadlock(on: lock, heldBy: holder) },
        end: {
            ForeignWait.end($0)
            return true
        })
}

/// An error of `TandemPatch.install`.
public struct TandemPatchError: Error, Sendable, CustomStringConvertible {
    /// The kind of the error; more may be added.
    public struct Code: Hashable, Sendable {
        private let name: String
        /// The calls of a function of libc do not arrive at `TandemPatch`.
        public static let unbound = Code(name: "unbound")
    }

    /// The kind of the error.
    public let code: Code
    /// The function, the cause and the remedy.
    public let description: String

    init(unbound function: String) {
        code = .unbound
        description = """
            TandemPatch is not in force: calls of \(function) do not arrive there. Link it into the executable itself, not into a \
            library, and do not link the executable fully static. With --static-swift-stdlib, leave out the area .queues, or link \
            with --wrap=\(function) and the same for the other functions of that area.
            """
    }
}
