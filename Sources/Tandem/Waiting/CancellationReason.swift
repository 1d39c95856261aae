internal import CTandem
internal import Synchronization

/// Why a green thread was cancelled. The first cancel sets the reason; later ones have no effect.
///
/// The cancellation itself is Swift's own. The reason is looked up only after a wait has ended because of it.
final class CancellationReason: Sendable {
    private let given = Mutex<(any Error)?>(nil)

    /// The error that waits of the thread throw; nil before the first cancel. Any thread.
    var error: (any Error)? { given.withLock { $0 } }

    /// Sets the reason, unless there is one. Must be called before the task is cancelled. Any thread.
    func give(_ error: any Error) {
        given.withLock { if $0 == nil { $0 = error } }
    }

    /// Returns the error that callers of `wait` get for a thread that ended with `error`. It is never `CancellationError`: that
    /// would mean that the waiting task was cancelled.
    func told(_ error: any Error, of name: GreenThreadName) -> any Error {
        guard error is CancellationError else { return error }
        if let given = self.error, !(given is CancellationError) { return given }
        return TandemError(.threadCancelled, "green thread '\(name)' was cancelled")
    }
}

extension Hub {
    /// The error that a wait of the running task throws when the task was cancelled.
    static var cancellation: any Error {
        guard let hub = current, let task = tandem_current_task() else { return CancellationError() }
        return hub.tasks.reason(of: task)?.error ?? CancellationError()
    }
}

/// Throws if the running task was cancelled: the error given to `GreenThread.cancel(throwing:)`, or else `CancellationError`.
///
/// For code of either style that computes for long without waiting. Any thread. `Task.checkCancellation` does not have access to
/// the given error.
public func checkCancellation() throws {
    if Task.isCancelled { throw Hub.cancellation }
}
