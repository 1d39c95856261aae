internal import CTandemPatch
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
        /// Reading, writing and waiting for descriptors, and stdio on them: read(2), recv(2), connect(2), accept(2), poll(2),
        /// select(2), epoll_wait(2), fgets(3), fwrite(3) and their variants; sendfile(2), splice(2), message queues, opening FIFOs.
        public static let io = Area(rawValue: UInt32(TANDEM_PATCH_IO))
        /// Sleeping: sleep(3), usleep(3), nanosleep(2), clock_nanosleep(2), sched_yield(2).
        public static let time = Area(rawValue: UInt32(TANDEM_PATCH_TIME))
        /// Locks: mutexes, conditions, reader-writer locks, barriers and semaphores of pthreads, pthread_once(3), and the futexes of
        /// Swift's `Mutex`, of the initialization of globals and of libdispatch.
        public static let locks = Area(rawValue: UInt32(TANDEM_PATCH_LOCKS))
        /// Synchronous calls of libdispatch's queues, such as `DispatchQueue.sync`, and CoreFoundation's run loops.
        public static let queues = Area(rawValue: UInt32(TANDEM_PATCH_QUEUES))
        /// Looking up names of hosts, users and groups: getaddrinfo(3), gethostbyname(3), res_query(3), getpwnam(3) and their
        /// variants. An OS thread makes the call.
        public static let names = Area(rawValue: UInt32(TANDEM_PATCH_NAMES))
        /// Waiting for processes, threads, signals and locks of files: waitpid(2), system(3), pclose(3), pthread_join(3),
        /// sigwait(3), flock(2), fcntl(2) with F_SETLKW and their variants.
        public static let processes = Area(rawValue: UInt32(TANDEM_PATCH_PROCESSES))
        /// Reading and writing regular files that are not in memory, and fsync(2) and its variants. An OS thread makes the call.
        public static let files = Area(rawValue: UInt32(TANDEM_PATCH_FILES))
        /// All areas except `files`, whose calls end by themselves after the time that a disk needs.
        public static let standard: Area = [.io, .time, .locks, .queues, .names, .processes]
        /// All areas.
        public static let all: Area = [.standard, .files]
    }

    /// Switches these areas on, and all others off. Any thread.
    ///
    /// `.locks` and `.queues` are always among them: a green thread that waits while it holds a lock or a queue would block its hub for
    /// good as soon as another one wants it.
    ///
    /// - Throws: `TandemPatchError` if the calls of a function in these areas do not arrive here.
    public static func install(_ areas: Area = .standard) throws(TandemPatchError) {
        let areas = areas.withLocks
        if let name = tandem_patch_unbound(areas.rawValue) { throw TandemPatchError(unbound: String(cString: name)) }
        enable(areas)
    }

    /// Switches on those of these areas whose calls arrive here, and all others off. Any thread.
    ///
    /// If calls of `.locks` or `.queues` do not arrive, all areas stay off.
    ///
    /// - Returns: The error that `install` would throw, for each area whose calls do not arrive here.
    public static func installBound(_ areas: Area = .standard) -> [TandemPatchError] {
        let areas = areas.withLocks
        var (bound, errors) = (areas, [TandemPatchError]())
        for bit in 0..<UInt32.bitWidth {
            let area = areas.intersection(Area(rawValue: 1 << UInt32(bit)))
            guard !area.isEmpty, let name = tandem_patch_unbound(area.rawValue) else { continue }
            bound.subtract(area)
            errors.append(TandemPatchError(unbound: String(cString: name)))
        }
        enable(bound.isSuperset(of: [.locks, .queues]) ? bound : [])
        return errors
    }

    /// Switches all areas off, for tests. Calls that wait go on. Any thread.
    public static func uninstall() { enable([]) }

    private static func enable(_ areas: Area) {
        ForeignWait.describeCalls { report().map(\.summary) }
        tandem_patch_enable(areas.rawValue, hub)
    }

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
        public internal(set) var calls: UInt64 = 0
        /// The waits on the hub. One call may wait more than once.
        public internal(set) var waits: UInt64 = 0
        /// The calls that an OS thread of the pool made while the green thread was parked.
        public internal(set) var offloads: UInt64 = 0
        /// The calls that libc made on the hub's thread although they may block, such as reads from a disk without the area `files`.
        public internal(set) var holds: UInt64 = 0
        /// The longest time that one of these calls took.
        public internal(set) var longestHold: Duration = .zero
        /// The same by caller, with the most waits first.
        public internal(set) var callers: [Caller] = []
    }

    /// The counts of one place that calls a function of libc.
    public struct Caller: Sendable, Hashable, CustomStringConvertible {
        private let address: UInt
        /// The calls that were made on a green stack.
        public let calls: UInt64
        /// The waits on the hub.
        public let waits: UInt64
        /// The calls that an OS thread of the pool made.
        public let offloads: UInt64
        /// The calls that libc made on the hub's thread although they may block.
        public let holds: UInt64
        /// The longest time that one of these calls took.
        public let longestHold: Duration

        fileprivate init(_ address: UnsafeRawPointer?, _ counts: tandem_patch_counts) {
            self.address = UInt(bitPattern: address)
            (calls, waits, offloads, holds) = (counts.calls, counts.waits, counts.offloads, counts.holds)
            longestHold = .nanoseconds(counts.longest_hold)
        }

        /// The function that calls and its library, such as "PQexec in libpq.so.5", as far as there are symbols. The first use in a
        /// process takes some milliseconds, so do not ask on a hub.
        public var description: String {
            address == 0
                ? "others" : StackTrace(returnAddress: address).description.split(separator: "\n").first.map(String.init) ?? "?"
        }
    }

    /// Returns the counts of all functions that were called on a green stack while their area was switched on. Any thread.
    public static func report() -> [Count] {
        var counts = (0..<TANDEM_PATCH_COUNT.rawValue).map { Count(function: String(cString: tandem_patch_name($0))) }
        var function: UInt32 = 0
        var address: UnsafeRawPointer?
        var numbers = tandem_patch_counts()
        var index: UInt32 = 0
        while tandem_patch_read_site(index, &function, &address, &numbers) {
            index += 1
            if numbers.calls > 0 { counts[Int(function)].add(numbers, from: address) }
        }
        return counts.filter { $0.calls > 0 }.map { count in
            var sorted = count
            sorted.callers.sort { ($0.waits, $0.calls) > ($1.waits, $1.calls) }
            return sorted
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
        give_way: { ForeignWait.giveWayIfDue() },
        offload: { job, context in ForeignWait.offload(job, context) },
        deadlock: { lock, holder in ForeignWait.deadlock(on: lock, heldBy: holder) },
        end: {
            ForeignWait.end($0)
            return true
        })
}

extension TandemPatch.Count: CustomStringConvertible {
    /// One line with the counts and the three callers that wait most. Looks up their names: do not ask on a hub.
    public var description: String {
        var text = summary
        guard !callers.isEmpty else { return text }
        text += "; called by " + callers.prefix(3).map(\.description).joined(separator: ", ")
        return callers.count > 3 ? text + ", and \(callers.count - 3) more" : text
    }

    /// The counts without the callers.
    fileprivate var summary: String {
        var text = "\(function): \(calls) calls, \(waits) waits"
        if offloads > 0 { text += ", \(offloads) on OS threads" }
        if holds > 0 { text += ", \(holds) that may have held the hub, for \(longestHold) at most" }
        return text
    }

    fileprivate mutating func add(_ counts: tandem_patch_counts, from address: UnsafeRawPointer?) {
        calls += counts.calls
        waits += counts.waits
        offloads += counts.offloads
        holds += counts.holds
        longestHold = max(longestHold, .nanoseconds(counts.longest_hold))
        callers.append(TandemPatch.Caller(address, counts))
    }
}

extension TandemPatch.Area: CustomStringConvertible {
    /// The names of the areas.
    public var description: String {
        let names: [(TandemPatch.Area, String)] = [
            (.io, ".io"), (.time, ".time"), (.locks, ".locks"), (.queues, ".queues"), (.names, ".names"),
            (.processes, ".processes"), (.files, ".files"),
        ]
        return "[" + names.filter { contains($0.0) }.map(\.1).joined(separator: ", ") + "]"
    }

    fileprivate var withLocks: TandemPatch.Area { isEmpty ? self : union([.locks, .queues]) }
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
    /// The name of the function.
    public let function: String
    /// The function, the cause and the remedy.
    public let description: String

    init(unbound function: String) {
        code = .unbound
        self.function = function
        description = """
            TandemPatch is not in force: calls of \(function) do not arrive there. Link it into the executable itself, not into a \
            library, do not link the executable fully static, and define no \(function) of its own. With --static-swift-stdlib, also build with \
            --toolset and Tandem's config/static-toolset.json.
            """
    }
}
