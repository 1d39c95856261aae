internal import CTandem

/// Blocking code that runs beside others on a hub: a task that has borrowed a stack.
///
/// Starts at the hub's next turn, or later. Whoever made it may wait for it, in either style, or forget it: it runs on, and
/// its hub cancels it when the hub stops. When it fails, and is forgotten before anybody has waited for it, its hub reports
/// the error.
public final class GreenThread<Success: Sendable>: Sendable {
    let completion = Completion<Success>()
    private let reason = CancellationReason()
    /// nil when the body has run elsewhere.
    private let task: Task<Void, Never>?

    /// Starts `body` on `hub`, by default the caller's own, or for callers on none, one of the shared group's.
    ///
    /// Task-locals and priority are the creator's.
    ///
    /// - Parameters:
    ///   - name: Who this is, in messages about overflow, stalls or cancellation.
    ///   - delay: How long it waits, at least, before it starts. It holds no stack meanwhile.
    @discardableResult
    public init(
        name: GreenThreadName = "green thread", on hub: Hub? = nil, after delay: Duration = .zero,
        _ body: @escaping @Sendable () throws -> Success
    ) {
        let hub = hub ?? Hub.current ?? HubGroup.shared.nextHub()
        let (completion, reason) = (completion, reason)
        // Little of this is generic: what runs at each spawn need not look up metadata, and its frames are small.
        task = Task(executorPreference: hub) {
            var outcome: Result<Success, any Error>?
            let neverRan = await hub.runThread(name, reason, after: delay) { outcome = Result(catching: body) }
            completion.end(outcome, neverRan, thread: name, reason, hub)
        }
    }

    /// One whose body has run, in somebody else's task.
    init(name: GreenThreadName, endedWith outcome: Result<Success, any Error>) {
        task = nil
        completion.end(outcome.mapError { [reason] in reason.told($0, of: name) })
    }

    /// Throws `CancellationError` into the body at the call where it waits, or the next one that does; before its first
    /// step, the body never runs. Any thread. After another cancel, or the end, it changes nothing.
    public func cancel() { cancel(throwing: CancellationError()) }

    /// As `cancel`, with `error` in place of `CancellationError`: thrown where the body waits, also where it waits in
    /// `awaiting` for async code that ends with `CancellationError`; and by `wait`, when the body never ran.
    ///
    /// The first cancel says which error it is; later ones change nothing, whichever form they have.
    public func cancel(throwing error: any Error) {
        guard let task else { return }
        reason.give(error)
        task.cancel()
    }

    /// Whether it has ended: the body has returned or thrown, or will never run.
    public var isFinished: Bool { completion.ended.outcome != nil }

    /// How it ended.
    var outcome: Result<Success, any Error>? {
        completion.observe()
        return completion.ended.outcome
    }

    /// Suspends until it has ended; returns the body's value or throws its error, the same one to every waiter.
    ///
    /// Cancelling the waiter ends its wait and touches neither this thread nor other waiters.
    ///
    /// - Throws: What the body threw. `TandemError` `threadCancelled`, or the error given to `cancel(throwing:)`, when this
    ///   thread was cancelled and ended for it; `CancellationError` only when the waiter itself was cancelled; `TandemError`
    ///   `timedOut`, or `hubStopped` when the hub stopped first.
    public func wait(deadline: Deadline = .never) async throws -> Success {
        completion.observe()
        return try await completion.ended.wait(deadline: deadline)
    }

    /// As the async form; parks the calling green thread (or blocks the OS thread). Also throws `TandemError`
    /// `notOnGreenThread`.
    @available(*, noasync)
    public func wait(deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line) throws -> Success {
        completion.observe()
        return try completion.ended.wait(deadline: deadline, file: file, line: line)
    }
}

/// Where the caller runs, for messages and for showing that two callers share a thread.
public enum GreenThreadIdentity {
    /// A number for the green stack that the caller runs on, or nil when it runs on none. Numbers are reused.
    public static var current: Int? {
        guard let fiber = tandem_current_fiber() else { return nil }
        return Int(fiber.pointee.number)
    }

    /// The kernel's id of the calling OS thread.
    public static var osThread: Int { Int(tandem_thread_id()) }
}
