internal import CTandem
internal import Glibc

/// A bounded pool of OS threads for code that really blocks or computes for long: files, CPU-heavy work, C libraries that block.
///
/// The pool starts threads as jobs arrive, up to the limit. They end after `shutdown`, or after the last reference to the pool is
/// released. A pool of one thread runs its jobs one at a time, in order of arrival, always on that thread.
///
/// A job does not run in a task, because its caller may stop waiting while it runs:
///
/// - The caller's task-locals are not visible. Read them before, and bind them inside the body with `withValue`.
/// - `Task.isCancelled` is false, also if the caller was cancelled.
/// - `awaiting { }`, `Event.wait` and all other blocking calls work. They block the pool's thread, while the operation that they
///   wait for runs on a hub.
/// - A blocking call of `run` or `offload` for the same pool runs the inner body at once, on the same thread. A call through
///   async code (`awaiting { try await pool.run { } }`) is queued, and if all threads wait in such calls, they wait forever.
///
/// All calls may be made from any thread.
public final class OffloadPool: Sendable {
    private let workers: OffloadWorkers
    private let servesWholeProcess: Bool

    /// The process-wide pool that `offload` uses. It has one thread per core, but at least four, and cannot be shut down.
    public static let shared = OffloadPool(forProcess: "offload", threads: max(4, sysconf(CInt(_SC_NPROCESSORS_ONLN))))

    /// The process-wide pool that `resolve` uses, with eight threads. It is separate so that a slow DNS server does not delay
    /// other jobs, and so that a job may wait for a look-up. It cannot be shut down.
    public static let resolver = OffloadPool(forProcess: "resolver", threads: 8)

    /// The default limit of jobs that wait for a thread: 4,096.
    public static let defaultQueueLimit = 4096

    /// Creates a pool without starting a thread.
    ///
    /// - Parameters:
    ///   - threads: The maximum number of jobs that run at once; 1 or more.
    ///   - queueLimit: The maximum number of jobs that wait for a thread; `run` refuses further jobs. With 0, it refuses every
    ///     job that cannot start at once.
    ///   - name: The name of the pool in messages, and of its threads in ps and gdb (with a number appended, cut to 15 bytes).
    /// - Throws: `TandemError` `invalidArgument` if `threads` or `queueLimit` is out of range.
    public convenience init(
        threads: Int, queueLimit: Int = OffloadPool.defaultQueueLimit, name: String = "offload"
    ) throws(TandemError) {
        guard threads > 0 else { throw TandemError(.invalidArgument, "an OffloadPool needs at least one thread, not \(threads)") }
        guard 0...Int(Int32.max) ~= queueLimit else {
            throw TandemError(.invalidArgument, "the queueLimit of an OffloadPool is 0 to \(Int32.max), not \(queueLimit)")
        }
        self.init(OffloadWorkers(name: name, threadLimit: threads, queueLimit: queueLimit), servesWholeProcess: false)
    }

    convenience init(forProcess name: String, threads: Int) {
        self.init(
            OffloadWorkers(name: name, threadLimit: threads, queueLimit: OffloadPool.defaultQueueLimit), servesWholeProcess: true)
    }

    private init(_ workers: OffloadWorkers, servesWholeProcess: Bool) {
        self.workers = workers
        self.servesWholeProcess = servesWholeProcess
    }

    deinit { workers.stop() }

    /// The counters of the pool.
    public var statistics: OffloadStatistics { workers.statistics }

    /// Runs `body` on a thread of the pool, and suspends until it has ended.
    ///
    /// If the caller's task is cancelled or the deadline passes, the wait ends at once. A body that has not started never runs
    /// then. A body that runs continues to its end, and its result is dropped.
    ///
    /// - Parameters:
    ///   - deadline: The time at which the caller stops waiting for a thread and for the end of `body`.
    ///   - body: The code to run.
    /// - Throws: The error that `body` throws, unchanged. `CancellationError`, or the error given to
    ///   `GreenThread.cancel(throwing:)`. `TandemError` `timedOut`, `overloaded`, `poolStopped`, or `systemCall` if not even one
    ///   thread can be started.
    public func run<Success: Sendable>(
        deadline: Deadline = .never, _ body: @escaping @Sendable () throws -> Success
    ) async throws -> Success {
        try checkCancellation()
        let outcome = Event<Success>(waitedForAs: "offload", happensOnThread: true)
        let ticket = try workers.submit(OffloadJob(body, answering: outcome))
        do { return try await outcome.wait(deadline: deadline) } catch {
            workers.leave(ticket)
            throw error
        }
    }

    /// Runs `body` on a thread of the pool; parks the green thread, or blocks the ordinary OS thread, until it has ended.
    /// Otherwise the same as the async form.
    ///
    /// On a thread of this pool `body` runs at once, whatever the deadline, and counts as part of the calling job.
    ///
    /// - Throws: The errors of the async form; `TandemError` `notOnGreenThread` when called directly in async code, or
    ///   `wrongTask`.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public func run<Success: Sendable>(
        deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line,
        _ body: @escaping @Sendable () throws -> Success
    ) throws -> Success {
        try checkPlace("offload", file, line)
        if tandem_current_task() == nil, workers.isCurrent { return try body() }
        try checkCancellation()
        let outcome = Event<Success>(waitedForAs: "offload", happensOnThread: true)
        let ticket = try workers.submit(OffloadJob(body, answering: outcome))
        do { return try outcome.wait(deadline: deadline, file: file, line: line) } catch {
            workers.leave(ticket)
            throw error
        }
    }

    /// Stops the pool, and suspends until the running jobs have ended and the threads have exited. Queued jobs and all later ones
    /// get `TandemError` `poolStopped`. May be called again. Traps on a process-wide pool.
    ///
    /// - Parameter deadline: The time at which the caller stops waiting.
    /// - Throws: `CancellationError`, or `TandemError` `timedOut`, if the wait ended first. The pool stops nevertheless.
    public func shutdown(deadline: Deadline = .never) async throws {
        stop()
        try await workers.ended.wait(deadline: deadline)
    }

    /// Stops the pool; parks the green thread, or blocks the OS thread, until the threads have exited. Otherwise the same as the
    /// async form. Traps on a thread of this pool.
    ///
    /// - Throws: The errors of the async form; `TandemError` `notOnGreenThread` when called directly in async code, or
    ///   `wrongTask`.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public func shutdown(deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line) throws {
        try checkPlace("OffloadPool.shutdown", file, line)
        precondition(!workers.isCurrent, "a job cannot wait for the end of its own pool: call shutdown outside the pool")
        stop()
        try workers.ended.wait(deadline: deadline, file: file, line: line)
    }

    /// Throws if the caller cannot be parked. Checked first, so that a call that is refused has no effect.
    private func checkPlace(_ call: StaticString, _ file: StaticString, _ line: UInt) throws(TandemError) {
        if tandem_current_fiber() != nil {
            _ = try currentFiber(call, file, line)
        } else if tandem_current_hub() != nil || tandem_current_task() != nil {
            throw .misuse(call, file, line)
        }
    }

    private func stop() {
        precondition(!servesWholeProcess, "a process-wide pool cannot be shut down: shut down only pools that you have created")
        workers.stop()
    }
}
