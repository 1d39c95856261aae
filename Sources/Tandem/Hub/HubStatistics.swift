/// What lives on a hub at one moment.
public struct HubStatistics: Hashable, Sendable {
    /// Green threads alive: stacks that are lent out.
    public var greenThreads: Int
    /// The most green threads that ever were alive at once.
    public var greenThreadsHighWater: Int
    /// Stacks that have been mapped, lent out or not.
    public var stacksMapped: Int
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
    /// Jobs run since the start.
    public var jobs: UInt64
    /// Calls of blocking code from async code since the start: stacks that were borrowed.
    public var bridgesToBlocking: UInt64
    /// Calls of async code from blocking code since the start.
    public var bridgesToAsync: UInt64
    /// Times a green thread was parked since the start.
    public var parks: UInt64
    /// Times a green stack was switched to, and back, since the start.
    public var switches: UInt64 { bridgesToBlocking + bridgesToAsync + parks }
    /// Times the watchdog has seen this hub held longer than `HubConfiguration.stallThreshold`.
    public var stalls: UInt64
    /// How long the turns of the loop took.
    public var loopDelays: LoopDelays
}
