/// The configuration of a hub. The defaults suit a server.
public struct HubConfiguration: Sendable {
    /// Bytes of stack per green thread, without the guard. Rounded up to whole pages; at least 16 KiB. Only pages that are
    /// touched use memory. 256 KiB is more than Foundation and TLS calls need.
    public var stackSize = 256 * 1024

    /// The maximum number of jobs that a turn of the loop runs from each of its two queues (woken jobs, other ready jobs) before
    /// it looks at timers and descriptors again. So a flood of ready tasks cannot starve I/O.
    public var jobsPerTurn = 256

    /// The time that `Hub.run` and `HubGroup.shutdown` wait for cancelled tasks to end before they report the remaining ones.
    public var stopGrace: Duration = .seconds(5)

    /// The name of the hub in reports and dumps. Threads of a `HubGroup` are named for it in ps and gdb, with the hub's index
    /// appended and cut to 15 bytes; `Hub.run` does not rename its thread.
    public var name = "hub"

    /// The system call in which the hub waits. By default the value of the environment variable `TANDEM_HUB_POLLER`, which is
    /// read once per process, or else epoll. If the variable has an unknown value, hubs do not start.
    public var poller = PollerKind(rawValue: PollerKind.inEnvironment) ?? .epoll

    /// The interval at which an idle hub checks whether other code has closed descriptors that are waited on. One audit checks at
    /// most 1,024 of them. nil turns audits off.
    public var auditInterval: Duration? = .seconds(5)

    /// The clock for deadlines, sleeps and timers on the hub. `TandemTesting` sets it.
    package var clock = HubClock.monotonic

    /// The order in which ready jobs run. `TandemTesting` sets it.
    package var order = ReadyOrder.arrival

    /// The maximum time for which one piece of code may hold the hub before the watchdog thread reports it with its stack; at
    /// least 2 ms. nil, the default, means no watchdog. `Hub.stallThreshold` changes the value while the hub runs.
    public var stallThreshold: Duration?

    /// The maximum time for which a hub may be idle, with calls that wait but without timers and descriptors that could wake
    /// them, before it reports those calls. nil turns these reports off.
    public var stuckThreshold: Duration? = .seconds(10)

    /// Whether an idle hub gives memory that deep calls have touched back to the kernel: all but the topmost 16 KiB of each free
    /// stack.
    public var trimsStacks = true

    /// Whether the hub counts the calls across both bridges by call site, for `Hub.bridgeSites`. A count takes some 25 instructions.
    public var countsBridges = false

    /// Whether hubs always record what they do, so that the report of a stall says what happened in the second before. As long as
    /// a hub with this setting exists, all hubs of the process record. A hub's ring takes 3 MiB, and a record about 45 instructions.
    public var recordsAlways = false

    /// Whether the hub, or all hubs of a `HubGroup`, take over Swift's global executor until they end, so that the hub is the
    /// process's loop: every `Task { }`, `Task.detached`, child task and actor without an executor of its own runs on these hubs,
    /// and `Task.sleep` waits there. What the thread of such a hub starts or resumes runs on that hub; tasks that other threads start
    /// or resume are spread over the hubs in turn. If a hub, this one or another, owns the main thread, the main actor runs there.
    ///
    /// Code that blocks its thread then holds a hub: the watchdog reports it. The hub neither cancels such tasks when it stops nor
    /// waits for them, as Swift's executor does not; those that can run go on there.
    ///
    /// One hub or group of a process can do this at a time: starting another throws `TandemError` `executorTaken`. Start it first thing
    /// in `main`: a task that already runs moves to the hubs only when it next suspends.
    public var takesOverGlobalExecutor = false

    /// Whether the main actor runs on this hub, which owns the main thread, also before a hub takes over the global executor.
    package var servesMainActor = false

    /// Receives reports about the hub. nil writes them to standard error. Called on the hub's thread, the watchdog's thread, or
    /// the thread that drops the last reference to a failed green thread. It must not wait, and must not call the hub.
    public var onReport: (@Sendable (HubReport) -> Void)?

    /// Creates a configuration with the defaults.
    public init() {}
}

/// The clock of a hub.
package enum HubClock: Sendable {
    /// The kernel's CLOCK_MONOTONIC.
    case monotonic
    /// A clock of the hub's own, for tests. It stands still while anything is ready, and jumps to the next deadline when nothing
    /// is, so waiting takes no real time. The clock does not wait for work on other threads either: a deadline may pass before
    /// that work is done.
    case virtual
}

/// The order in which a hub runs ready jobs.
package enum ReadyOrder: Hashable, Sendable {
    /// Order of arrival. Jobs that timers, descriptors and other threads have woken run before other ready jobs.
    case arrival
    /// A random order from this seed, for tests. The same seed gives the same order, as long as nothing arrives from other
    /// threads. With the real clock, a timer may fire before a job that the kernel woke earlier.
    case seeded(UInt64)
}
