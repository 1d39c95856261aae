internal import CTandem
internal import Synchronization

/// Why a green thread was cancelled: the first who cancels says so, and later ones change nothing.
///
/// The cancellation itself is Swift's own. This is looked up only when a wait has already ended by it.
final class CancellationReason: Sendable {
    private let given = Mutex<(any Error)?>(nil)

    /// What ends waits; nil before the first cancel. Any thread.
    var error: (any Error)? { given.withLock { $0 } }

    /// Called before the task is cancelled. Any thread.
    func give(_ error: any Error) {
        given.withLock { if $0 == nil { $0 = error } }
    }

    /// What those get who wait for a thread that ended with `error`. `CancellationError` is theirs alone: it says that they
    /// were cancelled themselves.
    func told(_ error: any Error, of name: GreenThreadName) -> any Error {
        guard error is CancellationError else { return error }
        if let given = self.error, !(given is CancellationError) { return given }
        return TandemError(.threadCancelled, "the green thread that was waited for, '\(name)', was cancelled")
    }
}

extension Hub {
    /// What ends a wait of the running task when it was cancelled.
    static var cancellation: any Error {
        guard let hub = current, let task = tandem_current_task() else { return CancellationError() }
        return hub.tasks.reason(of: task)?.error ?? CancellationError()
    }
}

/// Throws if the running task was cancelled: the error given to `GreenThread.cancel(throwing:)`, else `CancellationError`.
///
/// For code of either style that computes for long without waiting. `Task.checkCancellation` does not know the error.
public func checkCancellation() throws {
    if Task.isCancelled { throw Hub.cancellation }
}
