/// Blocking code that a `GreenPool` runs, or has run inline.
public final class PoolMember<Success: Sendable>: Sendable {
    private let ended = Event<Success>(waitedForAs: "PoolMember.wait")
    /// nil when the body ran inline.
    private let task: Task<Void, Never>?

    /// Starts `body`. Calls `atEnd` when it has ended, before anybody who waits for it goes on, also when the body never ran:
    /// cancelled before its first step, or because the hub stopped.
    init(
        name: GreenThreadName, on hub: Hub, _ body: @escaping @Sendable () throws -> Success,
        atEnd: @escaping @Sendable (Result<Success, any Error>) -> Void
    ) {
        let ended = ended
        task = Task(executorPreference: hub) {
            let outcome: Result<Success, any Error>
            do {
                try Task.checkCancellation()
                outcome = .success(try await hub.registered(name) { try await blocking(name: name, body) })
            } catch {
                outcome = .failure(error)
            }
            atEnd(outcome)
            ended.settle(outcome)
        }
    }

    /// One whose body has run.
    init(endedWith outcome: Result<Success, any Error>) {
        task = nil
        ended.settle(outcome)
    }

    /// Throws `CancellationError` into the body at the call where it waits, or the next one that does; before its first
    /// step the body never runs. Any thread.
    public func cancel() { task?.cancel() }

    /// Whether the body has returned or thrown.
    public var isFinished: Bool { outcome != nil }

    /// What the body has returned or thrown.
    var outcome: Result<Success, any Error>? { ended.outcome }

    /// Suspends until the body has ended; returns its value or throws its error, the same one to every waiter.
    ///
    /// Cancelling the waiter ends its wait with `CancellationError` and touches neither the member nor other waiters.
    public func wait(deadline: Deadline = .never) async throws -> Success { try await ended.wait(deadline: deadline) }

    /// As the async form; parks the calling green thread (or blocks the OS thread).
    @available(*, noasync)
    public func wait(deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line) throws -> Success {
        try ended.wait(deadline: deadline, file: file, line: line)
    }
}
