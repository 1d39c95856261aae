/// Counters of a hub at one moment.
public struct HubStatistics: Hashable, Sendable {
    /// Green threads that hold a stack.
    public var greenThreads: Int
    /// The maximum number of green threads that held a stack at the same time.
    public var greenThreadsHighWater: Int
    /// Stacks that are mapped, in use or free.
    public var stacksMapped: Int
    /// Tasks that `GreenThread`, `Hub.spawn` or `withCancellationShield` started and that have not ended.
    public var tasks: Int
    /// Calls that wait, in either style, and `HubTimer`s, armed or not.
    public var waits: Int
    /// Deadlines that are armed.
    public var timers: Int
    /// Descriptors that are registered.
    public var descriptors: Int
    /// Jobs that are ready to run.
    public var readyJobs: Int
    /// Turns of the loop since the start.
    public var turns: UInt64
    /// Jobs run since the start.
    public var jobs: UInt64
    /// Calls of blocking code from async code since the start. Each borrowed a stack.
    public var bridgesToBlocking: UInt64
    /// Calls of async code from blocking code since the start.
    public var bridgesToAsync: UInt64
    /// The number of times that a green thread was parked, since the start.
    public var parks: UInt64
    /// The number of switches to a green stack and back, since the start.
    public var switches: UInt64 { bridgesToBlocking + bridgesToAsync + parks }
    /// The number of times that the watchdog saw this hub held for longer than `HubConfiguration.stallThreshold`.
    public var stalls: UInt64
    /// The durations of the turns of the loop, since the start.
    public var loopDelays: LoopDelays
}
