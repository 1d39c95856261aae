internal import CTandem

/// Runs `body`, and cancels it if it takes longer than `duration`.
///
/// Only this scope is cancelled: `body` runs in a child task with the caller's task-locals. The call returns when `body` has
/// ended, so no wait of `body` outlives the scope. If `body` suppresses the cancellation, its result is returned. In nested
/// scopes, the scope that expired throws.
///
/// - Parameters:
///   - duration: The time limit. With zero or less it has already expired, and `body` starts cancelled.
///   - file: The caller's file, for the error message.
///   - line: The caller's line, for the error message.
///   - body: The code to run.
/// - Throws: The error that `body` throws. `TandemError` `timedOut`, with the caller's file and line, in place of a
///   `CancellationError` that the expiry caused. `CancellationError`, or the error given to `GreenThread.cancel(throwing:)`, if
///   the caller's own task is cancelled.
public func withTimeout<Success>(
    _ duration: Duration, file: StaticString = #fileID, line: UInt = #line, _ body: () async throws -> Success
) async throws -> Success {
    guard let hub = Hub.current else {
        return try await Hub.forCaller.visit {
            try await withTimeout(duration, file: file, line: line, body)
        }
    }
    let scope = TimeoutScope(on: hub, after: duration)
    var outcome: Result<Success, any Error>?
    await scope.run {
        do { outcome = .success(try await body()) } catch { outcome = .failure(error) }
    }
    do { return try outcome!.get() } catch is CancellationError where scope.hasExpired && !Task.isCancelled {
        throw TandemError(.timedOut, "\(file):\(line): withTimeout expired after \(duration)")
    }
}

/// Runs blocking code with a time limit, on a separate green stack. Otherwise the same as the async form.
///
/// Parks the calling green thread, or blocks the calling OS thread, until `body` has ended.
///
/// - Throws: The errors of the async form; `TandemError` `notOnGreenThread` when called directly in async code, or `wrongTask`.
@available(*, noasync)
#if TANDEM_MIGRATION
@available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
#endif
@_disfavoredOverload  // Otherwise a body that never awaits would select this form, also in async code.
public func withTimeout<Success>(
    _ duration: Duration, file: StaticString = #fileID, line: UInt = #line, _ body: () throws -> Success
) throws -> Success {
    try awaiting(file: file, line: line) {
        try await withTimeout(duration, file: file, line: line) { try await blocking(line: 0, body) }
    }
}

/// The deadline of a scope, and the task to cancel when it passes. Belongs to one hub.
private final class TimeoutScope {
    private(set) var hasExpired: Bool
    private var task: UnsafeCurrentTask?
    private let hub: Hub
    private var timer: HubTimer!

    init(on hub: Hub, after duration: Duration) {
        self.hub = hub
        // Set at once: the body begins in this turn, and the timer would fire only in the next.
        hasExpired = duration <= .zero
        timer = HubTimer(on: hub) { [unowned self] in
            hasExpired = true
            task?.cancel()
        }
        if !hasExpired { timer.arm(.after(duration)) }
    }

    /// Runs `body` in a child task that the deadline cancels, and holds it until it has ended.
    @inline(never)
    func run(_ body: () async -> Void) async {
        // Used only by the child task, on the hub's thread, while this task waits for it.
        nonisolated(unsafe) let (scope, body) = (self, BorrowedClosure.borrow(body))
        let reason = tandem_current_task().flatMap(hub.tasks.reason)
        await withTaskGroup { group in
            group.addTask(executorPreference: scope.hub) { await scope.runHere(body, reason) }
        }
    }

    private func runHere(_ body: BorrowedClosure, _ reason: CancellationReason?) async {
        task = withUnsafeCurrentTask { $0 }
        if hasExpired { task?.cancel() }
        let key = tandem_current_task()!
        if reason != nil { hub.tasks.lend(reason, to: key) }
        await body.callAsync()
        if reason != nil, hub.isCurrent { hub.tasks.lend(nil, to: key) }
        timer.disarm()
        task = nil
    }
}
