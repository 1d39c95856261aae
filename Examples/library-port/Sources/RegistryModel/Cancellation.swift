internal import Synchronization

/// Cancels calls of callers that have no task: an OS thread passes it to a call, and another thread cancels it.
public final class Cancellation: Sendable {
    /// A handler that `onCancel` has added.
    public struct Handler: Sendable {
        fileprivate let number: Int
    }

    private struct State {
        var isCancelled = false
        var handlers: [Int: @Sendable () -> Void] = [:]
        var numbers = 0
    }

    private let state = Mutex(State())

    /// Creates a cancellation that has not happened.
    public init() {}

    /// Whether `cancel` was called.
    public var isCancelled: Bool { state.withLock { $0.isCancelled } }

    /// Throws `CancellationError` if `cancel` was called.
    public func check() throws { if isCancelled { throw CancellationError() } }

    /// Cancels the calls that have this cancellation, now and later. Any thread.
    public func cancel() {
        let handlers = state.withLock { state in
            state.isCancelled = true
            defer { state.handlers = [:] }
            return state.handlers
        }
        for handler in handlers.values { handler() }
    }

    /// Calls `body` once when `cancel` is called: at once if it was called already.
    public func onCancel(_ body: @escaping @Sendable () -> Void) -> Handler {
        let (number, isCancelled) = state.withLock { state in
            state.numbers += 1
            if !state.isCancelled { state.handlers[state.numbers] = body }
            return (state.numbers, state.isCancelled)
        }
        if isCancelled { body() }
        return Handler(number: number)
    }

    /// Removes a handler that is no longer needed.
    public func remove(_ handler: Handler) { state.withLock { _ = $0.handlers.removeValue(forKey: handler.number) } }
}
