/// What lives on a hub at one moment.
public struct HubStatistics: Hashable, Sendable {
    /// Green threads alive: stacks that are lent out.
    public var greenThreads: Int
    /// The most green threads that ever were alive at once.
    public var greenThreadsHighWater: Int
    /// Tasks alive that were started by `GreenThread`, `Hub.spawn` or `withCancellationShield`.
    public var tasks: Int
    /// Calls that wait for anything, in either style.
    public var waits: Int
    /// Deadlines that are armed.
    public var timers: Int
    /// Descriptors that are registered.
    public var descriptors: Int
    /// Turns of the loop since the start.
    public var turns: UInt64
}
