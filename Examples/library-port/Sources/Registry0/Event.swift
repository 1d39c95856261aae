internal import Foundation
internal import RegistryModel

/// An event that happens once, with a value or an error, and that one thread waits for.
final class Event<Value: Sendable>: @unchecked Sendable {  // the condition guards the outcome
    private let condition = NSCondition()
    private var outcome: Result<Value, any Error>?

    /// Makes the event happen with a value. Returns false if it had already happened.
    @discardableResult
    func send(_ value: Value) -> Bool { settle(.success(value)) }

    /// Makes the event happen with an error. Returns false if it had already happened.
    @discardableResult
    func fail(_ error: any Error) -> Bool { settle(.failure(error)) }

    private func settle(_ new: Result<Value, any Error>) -> Bool {
        condition.lock()
        defer { condition.unlock() }
        guard outcome == nil else { return false }
        outcome = new
        condition.signal()
        return true
    }

    /// Blocks the thread until the event has happened. Returns its value or throws its error.
    func wait() throws -> Value {
        condition.lock()
        defer { condition.unlock() }
        while outcome == nil { condition.wait() }
        return try outcome!.get()
    }

    /// Blocks the thread until the event has happened or the time is over. Throws the event's error.
    func wait(atMost duration: Duration) throws {
        condition.lock()
        defer { condition.unlock() }
        let end = Date(timeIntervalSinceNow: duration / .seconds(1))
        while outcome == nil, condition.wait(until: end) {}
        _ = try outcome?.get()
    }
}

/// Blocks the thread for `duration`. Throws `CancellationError` as soon as the cancellation happens.
func sleep(for duration: Duration, _ cancellation: Cancellation) throws {
    let alarm = Event<Void>()
    let handler = cancellation.onCancel { alarm.fail(CancellationError()) }
    defer { cancellation.remove(handler) }
    try alarm.wait(atMost: duration)
}
