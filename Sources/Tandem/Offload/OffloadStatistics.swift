/// The counters of an `OffloadPool`: its present state, and totals since it was created.
///
/// Every call of `run` that reached the pool is counted once in `queued`, `running`, `completed`, `withdrawn` or `rejected`.
public struct OffloadStatistics: Hashable, Sendable {
    /// Threads that exist. They exist until the pool ends.
    public var threads = 0
    /// Jobs that run, including abandoned ones.
    public var running = 0
    /// The maximum number of jobs that ran at the same time.
    public var runningHighWater = 0
    /// Jobs that have not started.
    public var queued = 0
    /// The maximum number of jobs that were queued at the same time, including jobs that an idle thread was about to take.
    public var queuedHighWater = 0
    /// Jobs that have returned or thrown, including abandoned ones.
    public var completed = 0
    /// Jobs whose caller stopped waiting while they ran, because of a cancellation or deadline. They run to their end.
    public var abandoned = 0
    /// Jobs whose caller stopped waiting before they started. They never run.
    public var withdrawn = 0
    /// Jobs that were refused because the queue was full, the pool was shut down, or no thread could be started.
    public var rejected = 0
}
