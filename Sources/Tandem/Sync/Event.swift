internal import CTandem
internal import Synchronization

/// Something that happens once, with a value or an error, and that any number of callers wait for.
///
/// Works from green threads, async code and ordinary OS threads at once, on any hub.
public final class Event<Value: Sendable>: Sendable {
    private struct State {
        var outcome: Result<Value, any Error>?
        // Each belongs to the hub of the task that waits; posted to under the lock, so that whoever leaves finds
        // itself either still listed or already woken.
        var waiters: [Waiter] = []
    }

    // @unchecked: any thread may post to a wait; see wait.h.
    private struct Waiter: @unchecked Sendable, Equatable {
        let wait: Wait
    }

    private let state = Mutex(State())

    /// An event that has not happened.
    public init() {}

    /// What has happened, if it has.
    public var outcome: Result<Value, any Error>? { state.withLock { $0.outcome } }

    /// Makes it happen, from any thread. Returns whether this call did: later ones change nothing.
    @discardableResult
    public func send(_ value: Value) -> Bool { settle(.success(value)) }

    /// Makes it happen with an error, from any thread. Returns whether this call did.
    @discardableResult
    public func fail(_ error: any Error) -> Bool { settle(.failure(error)) }

    private func settle(_ outcome: Result<Value, any Error>) -> Bool {
        state.withLock { state in
            guard state.outcome == nil else { return false }
            state.outcome = outcome
            for waiter in state.waiters { post(waiter.wait, TANDEM_WAKE_READY) }
            state.waiters = []
            return true
        }
    }

    /// Suspends until it has happened. Returns the value or throws the error, the same one to every waiter; throws
    /// `CancellationError` when this caller's task is cancelled first, and `TandemError` `timedOut`.
    public func wait(deadline: Deadline = .never) async throws -> Value {
        guard let hub = Hub.current else {
            return try await withTaskExecutorPreference(HubGroup.shared.nextHub()) { try await wait(deadline: deadline) }
        }
        guard let wait = enlist(on: hub, deadline) else { return try outcome!.get() }
        await park(wait)
        return try leave(wait, hub)
    }

    /// Parks the green thread (or blocks the OS thread) until it has happened. Returns the value or throws the error;
    /// throws `CancellationError` when this caller's task is cancelled first, and `TandemError` `timedOut` or
    /// `notOnGreenThread`.
    @available(*, noasync)
    public func wait(deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line) throws -> Value {
        if let outcome { return try outcome.get() }
        guard let hub = Hub.current, tandem_current_fiber() != nil else {
            return try awaiting(file: file, line: line) { try await self.wait(deadline: deadline) }
        }
        let fiber = try currentFiber("Event.wait", file, line)
        guard let wait = enlist(on: hub, deadline) else { return try outcome!.get() }
        parkGreenThread(fiber, wait)
        return try leave(wait, hub)
    }

    /// nil when it has happened.
    private func enlist(on hub: Hub, _ deadline: Deadline) -> Wait? {
        let wait = hub.beginWait(deadline: deadline)
        let waiter = Waiter(wait: wait)
        let waits = state.withLock { state in
            guard state.outcome == nil else { return false }
            state.waiters.append(waiter)
            return true
        }
        guard !waits else { return wait }
        _ = hub.finishWait(wait)
        return nil
    }

    private func leave(_ wait: Wait, _ hub: Hub) throws -> Value {
        let waiter = Waiter(wait: wait)
        let outcome = state.withLock { state in
            if state.outcome == nil { state.waiters.removeAll { $0 == waiter } }
            return state.outcome
        }
        let reason = hub.finishWait(wait)
        // It may have happened after the cancel, before we ran: then nothing is lost.
        if let outcome { return try outcome.get() }
        try reason.check()
        throw CancellationError()
    }
}
