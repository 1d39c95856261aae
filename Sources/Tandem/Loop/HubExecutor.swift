internal import CTandem

// @unchecked: the hub is only used to enqueue, which any thread may do.
/// A hub as the serial executor of actors: their code runs on the hub's thread, and calls between such actors and the
/// hub's own tasks never change threads.
///
///     actor Ledger {
///         let hub: Hub
///         nonisolated var unownedExecutor: UnownedSerialExecutor { hub.serialExecutor.asUnownedSerialExecutor() }
///     }
///
/// A separate type, apart from `Hub`, because Swift must be told of each job whether it was enqueued for an actor.
public final class HubExecutor: SerialExecutor, @unchecked Sendable {
    unowned let hub: Hub

    init(hub: Hub) { self.hub = hub }

    /// Puts a job on the hub. Called by the Swift runtime, from any thread.
    public func enqueue(_ job: consuming ExecutorJob) { hub.enqueue(UnownedJob(job), for: TANDEM_JOB_ISOLATED) }

    /// Traps if the caller is not on the hub's thread. Swift calls this for `assumeIsolated` and similar functions.
    public func checkIsolated() { hub.preconditionOnThread("checkIsolated") }

    /// Whether the caller runs on the hub's thread.
    public func isIsolatingCurrentContext() -> Bool? { hub.isCurrent }
}
