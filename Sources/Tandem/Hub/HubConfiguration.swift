/// How a hub is set up. Every value has a default that suits a server.
public struct HubConfiguration: Sendable {
    /// Bytes of stack a green thread borrows, without its guard; rounded up to whole pages. Only touched pages
    /// cost memory. 256 KiB holds Foundation and TLS calls with room to spare.
    public var stackSize = 256 * 1024

    /// Most jobs run between two looks at timers and descriptors, so that a flood of ready tasks cannot starve I/O.
    public var jobsPerTurn = 256

    /// How long `Hub.run` and `HubGroup.shutdown` let cancelled leftovers unwind before they say who did not end.
    public var stopGrace: Duration = .seconds(5)

    /// The name of the hub's thread, as seen in ps and gdb, cut to 15 bytes.
    public var name = "hub"

    /// Which system call the hub waits in. By default what the environment variable `TANDEM_HUB_POLLER` says, read once a
    /// process, else epoll. With a name there that no poller has, hubs do not start.
    public var poller = PollerKind(rawValue: PollerKind.inEnvironment) ?? .epoll

    /// How often an idle hub looks whether descriptors that somebody waits on were closed by other code, 1,024 of them at
    /// a time; nil for never.
    public var auditInterval: Duration? = .seconds(5)

    /// What deadlines, sleeps and timers on the hub go by.
    public var clock = HubClock.monotonic

    /// In which order what is ready runs.
    public var order = ReadyOrder.arrival

    /// How long one piece of code may hold the hub before a watchdog thread reports it, with its stack. nil, the default,
    /// starts no watchdog. `Hub.stallThreshold` changes it while the hub runs.
    public var stallThreshold: Duration?

    /// How long a hub may be idle while calls wait that none of its timers and descriptors will end, before it reports what
    /// they wait for. nil never does.
    public var stuckThreshold: Duration? = .seconds(10)

    /// Whether an idle hub hands the memory that deep calls have touched, beyond 16 KiB of each free stack, back to the kernel.
    public var trimsStacks = true

    /// Where reports about the hub itself go; nil is a line on standard error. Called on the hub's thread, the
    /// watchdog's, or that of who forgets a failed green thread: it must not wait, nor call the hub.
    public var onReport: (@Sendable (HubReport) -> Void)?

    /// The defaults.
    public init() {}
}

/// What time is on a hub.
public enum HubClock: Sendable {
    /// The kernel's CLOCK_MONOTONIC.
    case monotonic
    /// A clock of the hub's own, for tests. It stands still while anything is ready, and jumps to the next deadline when
    /// nothing is, so that waiting takes no time. Work on other threads takes none either: it may be overtaken.
    case virtual
}

/// In which order a hub runs what is ready.
public enum ReadyOrder: Hashable, Sendable {
    /// First come, first served; what timers and descriptors have woken before what is ready anyway.
    case arrival
    /// Drawn from this seed, for tests: the same seed gives the same order again, as long as nothing comes from other
    /// threads.
    case seeded(UInt64)
}

/// Draws from a seed. SplitMix64: any seed will do, and the same one draws the same.
struct SeededOrder {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next(below bound: UInt64) -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return (mixed ^ (mixed >> 31)).multipliedFullWidth(by: bound).high
    }
}
