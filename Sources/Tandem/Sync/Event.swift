internal import Synchronization

/// Something that happens once, with a value or an error, and that any number of callers wait for.
///
/// Works from green threads, async code and ordinary OS threads at once, on any hub.
public final class Event<Value: Sendable>: Sendable {
    private struct State {
        var outcome: Result<Value, any Error>?
        var waiters = WaitList<Value>()

        mutating func get(orEnlist waiter: Waiter<Value>?) throws -> Value? {
            if let outcome { return try outcome.get() }
            if let waiter { waiters.append(waiter) }
            return nil
        }
    }

    private let state = Mutex(State())

    private let purpose: StaticString

    /// An event that has not happened.
    public convenience init() { self.init(waitedForAs: "Event.wait") }

    /// - Parameter purpose: What its waiters wait for, in the words of the dump.
    init(waitedForAs purpose: StaticString) { self.purpose = purpose }

    /// What has happened, if it has.
    public var outcome: Result<Value, any Error>? { state.withLock { $0.outcome } }

    /// How many callers wait. Any thread.
    public var waiting: Int { state.withLock { $0.waiters.count } }

    /// Makes it happen, from any thread. Returns whether this call did: later ones change nothing until `reset`.
    @discardableResult
    public func send(_ value: Value) -> Bool { settle(.success(value)) }

    /// Makes it happen with an error, from any thread. Returns whether this call did.
    @discardableResult
    public func fail(_ error: any Error) -> Bool { settle(.failure(error)) }

    @discardableResult
    func settle(_ outcome: Result<Value, any Error>) -> Bool {
        state.withLock { state in
            guard state.outcome == nil else { return false }
            state.outcome = outcome
            state.waiters.endAll(outcome)
            return true
        }
    }

    /// Forgets what has happened, from any thread, so that it can happen again. Who waited for it still gets it; who
    /// comes from now on waits for the next. Harmless when nothing has happened.
    public func reset() {
        // What is forgotten is released outside the lock: its deinit may use this event.
        _ = state.withLock { state in
            defer { state.outcome = nil }
            return state.outcome
        }
    }

    /// Suspends until it has happened. Returns the value or throws the error, the same one to every waiter; throws
    /// `CancellationError` when this caller's task is cancelled first, and `TandemError` `timedOut`.
    public func wait(deadline: Deadline = .never) async throws -> Value {
        try await state.waitInLine(
            deadline, purpose, enter: { try $0.get(orEnlist: $1) }, leave: { $0.waiters.remove($1) })
    }

    /// Parks the green thread (or blocks the OS thread) until it has happened. Returns the value or throws the error;
    /// throws `CancellationError` when this caller's task is cancelled first, and `TandemError` `timedOut` or
    /// `notOnGreenThread`.
    @available(*, noasync)
    public func wait(deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line) throws -> Value {
        try state.waitInLine(
            deadline, purpose, file, line, enter: { try $0.get(orEnlist: $1) }, leave: { $0.waiters.remove($1) })
    }
}
