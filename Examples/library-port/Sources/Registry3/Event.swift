internal import Synchronization

/// An event that happens once, with a value or an error, and that one task waits for.
final class Event<Value: Sendable>: Sendable {
    private struct State {
        var outcome: Result<Value, any Error>?
        var waiter: CheckedContinuation<Value, any Error>?
    }

    private let state = Mutex(State())

    /// Makes the event happen with a value. Returns false if it had already happened.
    @discardableResult
    func send(_ value: Value) -> Bool { settle(.success(value)) }

    /// Makes the event happen with an error. Returns false if it had already happened.
    @discardableResult
    func fail(_ error: any Error) -> Bool { settle(.failure(error)) }

    private func settle(_ new: Result<Value, any Error>) -> Bool {
        let (isFirst, waiter) = state.withLock { state in
            guard state.outcome == nil else { return (false, nil as CheckedContinuation<Value, any Error>?) }
            state.outcome = new
            return (true, state.waiter)
        }
        waiter?.resume(with: new)
        return isFirst
    }

    /// Suspends until the event has happened. Returns its value or throws its error. A cancelled task throws `CancellationError`.
    func wait() async throws -> Value {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let outcome = state.withLock { state in
                    if state.outcome == nil { state.waiter = continuation }
                    return state.outcome
                }
                if let outcome { continuation.resume(with: outcome) }
            }
        } onCancel: {
            self.fail(CancellationError())
        }
    }
}
