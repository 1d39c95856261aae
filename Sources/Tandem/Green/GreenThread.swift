internal import CTandem

/// Blocking code that runs concurrently with other jobs of a hub: a task that has borrowed a stack.
///
/// The body starts when the hub reaches it in its queue; `init` never runs it. The creator may wait for the thread, in either
/// style, or drop the reference: the thread continues, and its hub cancels it when the hub stops. If the body fails and the last
/// reference goes away before anyone has waited for the thread, its hub reports the error.
public final class GreenThread<Success: Sendable>: Sendable {
    @usableFromInline let completion: Completion
    // Set before the thread ends, where it ends, and not read before that.
    @exclusivity(unchecked) @usableFromInline nonisolated(unsafe) var value: Success?

    /// Starts `body` on `hub`. By default that is the caller's hub or, if the caller is on no hub, one of the shared group.
    ///
    /// Task-locals and priority are the creator's.
    ///
    /// - Parameters:
    ///   - name: The name of the thread, for dumps and for messages about overflow, stalls or cancellation.
    ///   - hub: The hub to run on.
    ///   - delay: The minimum delay before the body starts. Until then the thread holds no stack.
    ///   - body: The blocking code.
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "green thread: start a task instead, with a closure that awaits [migration: green thread]")
    #endif
    @discardableResult
    @inlinable
    public init(
        name: GreenThreadName = "green thread", on hub: Hub? = nil, after delay: Duration = .zero,
        _ body: @escaping @Sendable () throws -> Success
    ) {
        // This is inlined into the caller, where the type is known: otherwise each spawn would look up metadata.
        completion = Completion(name)
        completion.start(on: hub, after: delay) { [self] in
            do { value = try body() } catch { return error }
            return nil
        }
    }

    /// Creates a thread whose body has already run, in the caller's task.
    init(name: GreenThreadName, endedWith outcome: Result<Success, any Error>) {
        completion = Completion(name)
        switch outcome {
        case .success(let value):
            self.value = value
            completion.endInline(nil)
        case .failure(let error): completion.endInline(error)
        }
    }

    /// Cancels the thread: the call in which the body waits, or its next call that waits, throws `CancellationError`. If the body
    /// has not started, it never runs. May be called from any thread. Has no effect after an earlier cancel or after the end.
    public func cancel() { cancel(throwing: CancellationError()) }

    /// Cancels the thread as `cancel()` does, with `error` in place of `CancellationError`. The body sees `error` at the call
    /// where it waits, also if that is an `awaiting` whose async code ends with `CancellationError`. If the body never ran,
    /// `wait` throws `error`.
    ///
    /// The first cancel decides the error; later ones of either form have no effect. May be called from any thread.
    public func cancel(throwing error: any Error) { completion.cancel(throwing: error) }

    /// Whether the thread has ended: the body has returned or thrown, or will never run. Any thread.
    public var isFinished: Bool { completion.isFinished }

    /// The outcome, or nil while the thread has not ended.
    var outcome: Result<Success, any Error>? { completion.outcome.map(withValue) }

    /// Returns the outcome of this thread, which has ended, with its value.
    private func withValue(_ outcome: Result<Void, any Error>) -> Result<Success, any Error> { outcome.map { value! } }

    /// Calls `handler` once, when this thread has ended, before the callers that wait for it continue. It is also called if the
    /// body never ran, with the error that `wait` throws. Handlers are called in the order in which they were linked.
    ///
    /// The handler runs on the hub where the thread ended, on the hub's own stack, so it must not block. If the thread has
    /// already ended, the caller of this method calls the handler at once. May be called from any thread.
    ///
    /// - Returns: A link that can remove the handler.
    @discardableResult
    public func onCompletion(_ handler: @escaping @Sendable (Result<Success, any Error>) -> Void) -> CompletionLink {
        completion.observe()
        return completion.link { handler(self.withValue($0)) }
    }

    /// Suspends until the thread has ended. Returns the body's value or throws its error; every waiter gets the same one.
    ///
    /// Cancelling the waiting task ends only its wait. The thread and other waiters are not affected.
    ///
    /// - Parameter deadline: The time at which the wait gives up; the thread continues.
    /// - Throws: The error that the body threw. If this thread was cancelled and ended because of that, `TandemError`
    ///   `threadCancelled`, or the error given to `cancel(throwing:)`. `CancellationError` only if the waiting task was
    ///   cancelled. `TandemError` `timedOut`, or `hubStopped` if the hub stopped before the body started.
    @inlinable
    public func wait(deadline: Deadline = .never) async throws -> Success {
        try await completion.wait(deadline: deadline)
        return value!
    }

    /// Waits until the thread has ended: parks the calling green thread, or blocks the calling OS thread. Otherwise the same as
    /// the async form. Also throws `TandemError` `notOnGreenThread` or `wrongTask`.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    @inlinable
    public func wait(deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line) throws -> Success {
        try completion.wait(deadline: deadline, file: file, line: line)
        return value!
    }
}

/// A handler that was linked to the end of a green thread.
public struct CompletionLink: Sendable {
    private let remove: @Sendable () -> Bool

    init(remove: @escaping @Sendable () -> Bool) { self.remove = remove }

    /// Removes the handler. May be called from any thread. Returns whether it was still linked: if so, it is never called; if
    /// not, it has been called, is being called, or was removed before.
    @discardableResult
    public func unlink() -> Bool { remove() }
}

/// Numbers that identify where the caller runs, for messages and for showing that two callers share a thread.
public enum GreenThreadIdentity {
    /// The number of the green stack that the caller runs on, or nil if it runs on none. Numbers are unique per hub and are
    /// reused. Also nil in a task that only runs on top of another task's green stack (`Task.immediate`) and cannot park it.
    public static var current: Int? {
        guard let fiber = tandem_current_fiber(), fiber.pointee.task == tandem_current_task() else { return nil }
        return Int(fiber.pointee.number)
    }

    /// The kernel's id of the calling OS thread, gettid(2).
    public static var osThread: Int { Int(tandem_thread_id()) }
}
