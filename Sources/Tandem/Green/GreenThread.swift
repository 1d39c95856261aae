internal import CTandem

/// Blocking code that runs concurrently with other jobs of a hub: a task that has borrowed a stack.
///
/// The body starts when the hub reaches it in its queue; `init` never runs it. The creator may wait for the thread, in either
/// style, or drop the reference: the thread continues, and its hub cancels it when the hub stops. If the body fails and the last
/// reference goes away before anyone has waited for the thread, its hub reports the error.
public final class GreenThread<Success: Sendable>: Sendable {
    let completion = Completion<Success>()
    private let reason = CancellationReason()
    /// nil if the body ran in the caller's task (a member of a full `GreenPool` that spawns into it).
    private let task: Task<Void, Never>?

    /// Starts `body` on `hub`. By default that is the caller's hub or, if the caller is on no hub, one of the shared group.
    ///
    /// Task-locals and priority are the creator's.
    ///
    /// - Parameters:
    ///   - name: The name of the thread, for dumps and for messages about overflow, stalls or cancellation.
    ///   - hub: The hub to run on.
    ///   - delay: The minimum delay before the body starts. Until then the thread holds no stack.
    ///   - body: The blocking code.
    @discardableResult
    public init(
        name: GreenThreadName = "green thread", on hub: Hub? = nil, after delay: Duration = .zero,
        _ body: @escaping @Sendable () throws -> Success
    ) {
        let hub = hub ?? .forCaller
        let (completion, reason) = (completion, reason)
        // Little of this closure is generic: code that runs per spawn should not look up metadata, and its frames stay small.
        task = Task(executorPreference: hub) {
            var outcome: Result<Success, any Error>?
            let neverRan = await hub.runThread(name, reason, after: delay) { outcome = Result(catching: body) }
            completion.end(outcome, neverRan, thread: name, reason, hub)
        }
    }

    /// Creates a thread whose body has already run, in the caller's task.
    init(name: GreenThreadName, endedWith outcome: Result<Success, any Error>) {
        task = nil
        completion.end(outcome.mapError { [reason] in reason.told($0, of: name) })
    }

    /// Cancels the thread: the call in which the body waits, or its next call that waits, throws `CancellationError`. If the body
    /// has not started, it never runs. May be called from any thread. Has no effect after an earlier cancel or after the end.
    public func cancel() { cancel(throwing: CancellationError()) }

    /// Cancels the thread as `cancel()` does, with `error` in place of `CancellationError`. The body sees `error` at the call
    /// where it waits, also if that is an `awaiting` whose async code ends with `CancellationError`. If the body never ran,
    /// `wait` throws `error`.
    ///
    /// The first cancel decides the error; later ones of either form have no effect. May be called from any thread.
    public func cancel(throwing error: any Error) {
        guard let task else { return }
        reason.give(error)
        task.cancel()
    }

    /// Whether the thread has ended: the body has returned or thrown, or will never run. Any thread.
    public var isFinished: Bool { completion.ended.outcome != nil }

    /// The outcome, or nil while the thread has not ended.
    var outcome: Result<Success, any Error>? {
        completion.observe()
        return completion.ended.outcome
    }

    /// Suspends until the thread has ended. Returns the body's value or throws its error; every waiter gets the same one.
    ///
    /// Cancelling the waiting task ends only its wait. The thread and other waiters are not affected.
    ///
    /// - Parameter deadline: The time at which the wait gives up; the thread continues.
    /// - Throws: The error that the body threw. If this thread was cancelled and ended because of that, `TandemError`
    ///   `threadCancelled`, or the error given to `cancel(throwing:)`. `CancellationError` only if the waiting task was
    ///   cancelled. `TandemError` `timedOut`, or `hubStopped` if the hub stopped before the body started.
    public func wait(deadline: Deadline = .never) async throws -> Success {
        completion.observe()
        return try await completion.ended.wait(deadline: deadline)
    }

    /// Waits until the thread has ended: parks the calling green thread, or blocks the calling OS thread. Otherwise the same as
    /// the async form. Also throws `TandemError` `notOnGreenThread` or `wrongTask`.
    @available(*, noasync)
    public func wait(deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line) throws -> Success {
        completion.observe()
        return try completion.ended.wait(deadline: deadline, file: file, line: line)
    }
}

/// Numbers that identify where the caller runs, for messages and for showing that two callers share a thread.
public enum GreenThreadIdentity {
    /// The number of the green stack that the caller runs on, or nil if it runs on none. Numbers are unique per hub and are
    /// reused.
    public static var current: Int? {
        guard let fiber = tandem_current_fiber() else { return nil }
        return Int(fiber.pointee.number)
    }

    /// The kernel's id of the calling OS thread, gettid(2).
    public static var osThread: Int { Int(tandem_thread_id()) }
}
