internal import CTandem
internal import Synchronization

/// An event that happens once, with a value or an error, and that any number of callers wait for.
///
/// May be used from green threads, async code and ordinary OS threads at once, on any hub.
public final class Event<Value: Sendable>: Sendable {
    private struct State {
        var outcome: Result<Value, any Error>?
        var waiters = WaitList<Value>()
        let happensOnThread: Bool

        mutating func get(orEnlist waiter: Waiter<Value>?) throws -> Value? {
            if let outcome { return try outcome.get() }
            if let waiter {
                waiter.wait.pointee.is_woken_by_thread = happensOnThread
                waiters.append(waiter)
            }
            return nil
        }
    }

    private let state: Mutex<State>

    private let purpose: StaticString

    /// Creates an event that has not happened.
    public convenience init() { self.init(waitedForAs: "Event.wait") }

    /// Creates an event that has not happened.
    ///
    /// - Parameters:
    ///   - purpose: What its waiters wait for, as shown in dumps.
    ///   - happensOnThread: Whether a thread that no hub knows makes it happen, so that a hub whose calls wait for it is not stuck.
    init(waitedForAs purpose: StaticString, happensOnThread: Bool = false) {
        self.purpose = purpose
        state = Mutex(State(happensOnThread: happensOnThread))
    }

    /// The value or error that the event happened with; nil if it has not happened. Any thread.
    public var outcome: Result<Value, any Error>? { state.withLock { $0.outcome } }

    /// The number of callers that wait. Any thread.
    public var waiting: Int { state.withLock { $0.waiters.count } }

    /// Makes the event happen with a value, and wakes all waiters. Any thread. Returns false if it had already happened; then the
    /// call has no effect.
    @discardableResult
    public func send(_ value: Value) -> Bool { settle(.success(value)) }

    /// Makes the event happen with an error, and wakes all waiters. Any thread. Returns false if it had already happened; then
    /// the call has no effect.
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

    /// Resets the event, so that it can happen again. Any thread. Callers that were already woken still get the old outcome;
    /// later callers wait for the next one. Does nothing if the event has not happened.
    public func reset() {
        // The old outcome is released outside the lock: its deinit may use this event.
        _ = state.withLock { state in
            defer { state.outcome = nil }
            return state.outcome
        }
    }

    /// Suspends until the event has happened. Returns its value or throws its error; every waiter gets the same one.
    ///
    /// - Parameter deadline: The time at which the wait gives up.
    /// - Throws: The event's error; `CancellationError` if the caller's task is cancelled first; `TandemError` `timedOut`.
    public func wait(deadline: Deadline = .never) async throws -> Value {
        try await state.waitInLine(
            deadline, purpose, enter: { try $0.get(orEnlist: $1) }, leave: { $0.waiters.remove($1) })
    }

    /// Parks the green thread (or blocks the OS thread) until the event has happened. Otherwise the same as the async form. Also
    /// throws `TandemError` `notOnGreenThread` or `wrongTask`.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public func wait(deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line) throws -> Value {
        try state.waitInLine(
            deadline, purpose, file, line, enter: { try $0.get(orEnlist: $1) }, leave: { $0.waiters.remove($1) })
    }
}
