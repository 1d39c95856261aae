/// What an `OffloadPool` does at one moment, and what it has done so far.
///
/// Every call of `run` that got as far as the pool is counted once in `queued`, `running`, `completed`, `withdrawn` or
/// `rejected`.
public struct OffloadStatistics: Hashable, Sendable {
    /// Threads started; they stay until the pool ends.
    public var threads = 0
    /// Jobs that run, abandoned ones among them.
    public var running = 0
    /// The most jobs that ever ran at once.
    public var runningHighWater = 0
    /// Jobs that have not started.
    public var queued = 0
    /// The most jobs that ever stood in the queue at once, those that a free thread was about to take among them.
    public var queuedHighWater = 0
    /// Jobs that have returned or thrown, abandoned ones among them.
    public var completed = 0
    /// Jobs whose caller stopped waiting, by a cancel or deadline, while they ran. They run on to their end.
    public var abandoned = 0
    /// Jobs whose caller stopped waiting before they started. They never run.
    public var withdrawn = 0
    /// Jobs that were refused because the queue was full, the pool was shut down or no thread could be started.
    public var rejected = 0
}
