internal import CTandem
internal import Synchronization

/// Blocking code that runs beside others on a hub: a task that has borrowed a stack.
///
/// Starts at the hub's next turn. Whoever made it may wait for it, in either style, or forget it: it runs on, and its
/// hub cancels it when the hub stops.
public final class GreenThread<Success: Sendable>: Sendable {
    private let ended = Event<Success>(waitedForAs: "GreenThread.wait")
    private let task: Task<Void, Never>

    /// Starts `body` on `hub`, by default the caller's own, or for callers on none, one of the shared group's.
    ///
    /// Task-locals and priority are the creator's.
    ///
    /// - Parameter name: Who this is, in messages about overflow or stalls.
    @discardableResult
    public init(
        name: GreenThreadName = "green thread", on hub: Hub? = nil, _ body: @escaping @Sendable () throws -> Success
    ) {
        let hub = hub ?? Hub.current ?? HubGroup.shared.nextHub()
        let ended = ended
        task = Task(executorPreference: hub) {
            do {
                // Cancelled before its first step: the body never runs.
                try Task.checkCancellation()
                ended.send(try await hub.registered(name) { try await blocking(name: name, body) })
            } catch {
                ended.fail(error)
            }
        }
    }

    /// Throws `CancellationError` into the body at the call where it waits, or the next one that does. Any thread.
    public func cancel() { task.cancel() }

    /// Whether the body has returned or thrown.
    public var isFinished: Bool { ended.outcome != nil }

    /// Suspends until the body has ended; returns its value or throws its error, the same one to every waiter.
    ///
    /// Cancelling the waiter ends its wait with `CancellationError` and touches neither this thread nor other waiters.
    public func wait(deadline: Deadline = .never) async throws -> Success {
        try await ended.wait(deadline: deadline)
    }

    /// Parks the calling green thread (or blocks the OS thread) until the body has ended; returns its value or throws
    /// its error.
    @available(*, noasync)
    public func wait(deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line) throws -> Success {
        try ended.wait(deadline: deadline, file: file, line: line)
    }
}

/// Where the caller runs, for messages and for showing that two callers share a thread.
public enum GreenThreadIdentity {
    /// A number for the green stack that the caller runs on, or nil when it runs on none. Numbers are reused.
    public static var current: Int? {
        guard let fiber = tandem_current_fiber() else { return nil }
        return Int(fiber.pointee.number)
    }

    /// The kernel's id of the calling OS thread.
    public static var osThread: Int { Int(tandem_thread_id()) }
}
