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

    /// The defaults.
    public init() {}
}
