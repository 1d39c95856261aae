internal import CTandem
internal import Glibc

/// A bounded number of OS threads for what no hub can wait for: files, CPU-heavy work, C libraries that block.
///
/// Threads are started when there are jobs for them, up to the limit, and end by `shutdown` or when the pool is let go.
/// A pool of one thread runs its jobs one at a time, in the order in which they came, always on that thread.
///
/// A job runs in no task, because the caller may leave while it runs:
///
/// - The caller's task-locals are not visible. Read them before, and bind them inside the body by `withValue`.
/// - `Task.isCancelled` is false, also when the caller was cancelled.
/// - `awaiting { }`, `Event.wait` and all other blocking calls work, and really block the pool's thread, while what they
///   wait for runs on a hub.
/// - Offloading to the same pool runs the inner body at once, in the same thread. Only through async code
///   (`awaiting { try await pool.run { } }`) does it queue, and waits for ever when all threads wait like that.
///
/// Every call may be made from any thread.
public final class OffloadPool: Sendable {
    private let workers: OffloadWorkers
    private let servesWholeProcess: Bool

    /// The pool of the whole process that `offload` uses: a thread a core but at least four. It cannot be shut down.
    public static let shared = OffloadPool(forProcess: "offload", threads: max(4, sysconf(CInt(_SC_NPROCESSORS_ONLN))))

    /// The pool of the whole process that `resolve` uses, eight threads: apart, so that a slow DNS server does not keep
    /// other jobs waiting, and a job may wait for a look-up in any way. It cannot be shut down.
    public static let resolver = OffloadPool(forProcess: "resolver", threads: 8)

    /// Most jobs that wait for a thread, unless said otherwise: 4,096.
    public static let defaultQueueLimit = 4096

    /// Creates a pool without starting a thread.
    ///
    /// - Parameters:
    ///   - threads: Most jobs that run at once; 1 or more.
    ///   - queueLimit: Most jobs that wait for a thread; one more is refused. 0 refuses whatever cannot start at once.
    ///   - name: The name of its threads, as seen in ps and gdb, cut to 15 bytes, and of the pool in messages.
    /// - Throws: `TandemError` `invalidArgument`.
    public convenience init(
        threads: Int, queueLimit: Int = OffloadPool.defaultQueueLimit, name: String = "offload"
    ) throws(TandemError) {
        guard threads > 0 else { throw TandemError(.invalidArgument, "an OffloadPool needs at least one thread, not \(threads)") }
        guard 0...Int(Int32.max) ~= queueLimit else {
            throw TandemError(.invalidArgument, "the queueLimit of an OffloadPool is 0 to \(Int32.max), not \(queueLimit)")
        }
        self.init(OffloadWorkers(name: name, threadLimit: threads, queueLimit: queueLimit), servesWholeProcess: false)
    }

    private convenience init(forProcess name: String, threads: Int) {
        self.init(
            OffloadWorkers(name: name, threadLimit: threads, queueLimit: OffloadPool.defaultQueueLimit), servesWholeProcess: true)
    }

    private init(_ workers: OffloadWorkers, servesWholeProcess: Bool) {
        self.workers = workers
        self.servesWholeProcess = servesWholeProcess
    }

    deinit { workers.stop() }

    /// What the pool does now and has done so far.
    public var statistics: OffloadStatistics { workers.statistics }

    /// Runs `body` on a thread of the pool, and suspends until it has ended.
    ///
    /// A cancel of the caller's task, and a deadline that passes, end the wait at once. A body that has not started then
    /// never runs; one that runs goes on to its end, and its result is dropped.
    ///
    /// - Parameter deadline: Until when the caller waits for a thread and for the end of `body`.
    /// - Throws: What `body` throws, the same value; `CancellationError`; `TandemError` `timedOut`, `overloaded`,
    ///   `poolStopped`, or `systemCall` when not even one thread can be started.
    public func run<Success: Sendable>(
        deadline: Deadline = .never, _ body: @escaping @Sendable () throws -> Success
    ) async throws -> Success {
        try checkCancellation()
        let outcome = Event<Success>(waitedForAs: "offload")
        let ticket = try workers.submit(OffloadJob(body, answering: outcome))
        do { return try await outcome.wait(deadline: deadline) } catch {
            workers.leave(ticket)
            throw error
        }
    }

    /// As the async form: parks the green thread, or blocks the ordinary OS thread, until `body` has ended. On a thread of
    /// this pool `body` runs at once, whatever the deadline, and is counted as a part of the job that called.
    ///
    /// - Throws: What the async form throws; `TandemError` `notOnGreenThread` when called directly in async code.
    @available(*, noasync)
    public func run<Success: Sendable>(
        deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line,
        _ body: @escaping @Sendable () throws -> Success
    ) throws -> Success {
        try checkPlace("offload", file, line)
        if tandem_current_task() == nil, workers.isCurrent { return try body() }
        try checkCancellation()
        let outcome = Event<Success>(waitedForAs: "offload")
        let ticket = try workers.submit(OffloadJob(body, answering: outcome))
        do { return try outcome.wait(deadline: deadline, file: file, line: line) } catch {
            workers.leave(ticket)
            throw error
        }
    }

    /// Ends the pool: callers whose jobs are queued, and all who come later, get `TandemError` `poolStopped`. Suspends until
    /// the jobs that run have ended and the threads have left. May be called again. Traps on a pool of the
    /// whole process.
    ///
    /// - Throws: `CancellationError`, or `TandemError` `timedOut`, when the wait ended first. The pool ends all the same.
    public func shutdown(deadline: Deadline = .never) async throws {
        stop()
        try await workers.ended.wait(deadline: deadline)
    }

    /// As the async form: parks the green thread, or blocks the OS thread. Traps on a thread of this pool.
    ///
    /// - Throws: What the async form throws; `TandemError` `notOnGreenThread` when called directly in async code.
    @available(*, noasync)
    public func shutdown(deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line) throws {
        try checkPlace("OffloadPool.shutdown", file, line)
        precondition(!workers.isCurrent, "a job cannot wait for the end of its own pool: call shutdown from elsewhere")
        stop()
        try workers.ended.wait(deadline: deadline, file: file, line: line)
    }

    /// Throws where nothing can be parked; first of all, so that a call that is refused has no effect.
    private func checkPlace(_ call: StaticString, _ file: StaticString, _ line: UInt) throws(TandemError) {
        if tandem_current_fiber() != nil {
            _ = try currentFiber(call, file, line)
        } else if tandem_current_hub() != nil || tandem_current_task() != nil {
            throw .misuse(call, file, line)
        }
    }

    private func stop() {
        precondition(!servesWholeProcess, "this pool serves the whole process: shut down only pools of your own")
        workers.stop()
    }
}
