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

    /// How long one piece of code may hold the hub before a watchdog thread reports it, with its stack. nil, the default,
    /// starts no watchdog.
    public var stallThreshold: Duration?

    /// How long a hub may be idle while calls wait that none of its timers and descriptors will end, before it reports what
    /// they wait for. nil never does.
    public var stuckThreshold: Duration? = .seconds(10)

    /// Whether an idle hub hands the memory that deep calls have touched, beyond 16 KiB of each free stack, back to the kernel.
    public var trimsStacks = true

    /// Where reports about the hub itself go; nil is a line on standard error. Called on the hub's thread or on the
    /// watchdog's: it must not wait, nor call the hub.
    public var onReport: (@Sendable (HubReport) -> Void)?

    /// The defaults.
    public init() {}
}
