internal import CTandem

/// Runs `body`, and cancels it when it takes longer than `duration`.
///
/// Only the scope is cancelled: `body` runs in a child task of its own, which shares the caller's task-locals, and the call
/// returns when it has ended, so nothing that it waited for outlives the scope. A body that suppresses the cancellation has its
/// result delivered. Scopes nest: the one that expired is the one that throws.
///
/// - Parameter duration: Zero or less has expired already: the body starts cancelled.
/// - Throws: What `body` throws; `TandemError` `timedOut`, naming the caller's file and line, in place of the
///   `CancellationError` that expiry caused; `CancellationError`, or the error given to `GreenThread.cancel(throwing:)`,
///   when the caller's own task is cancelled.
public func withTimeout<Success>(
    _ duration: Duration, file: StaticString = #fileID, line: UInt = #line, _ body: () async throws -> Success
) async throws -> Success {
    guard let hub = Hub.current else {
        return try await HubGroup.shared.nextHub().visit {
            try await withTimeout(duration, file: file, line: line, body)
        }
    }
    let scope = TimeoutScope(on: hub, after: duration)
    var outcome: Result<Success, any Error>?
    await scope.run {
        do { outcome = .success(try await body()) } catch { outcome = .failure(error) }
    }
    do { return try outcome!.get() } catch is CancellationError where scope.hasExpired && !Task.isCancelled {
        throw TandemError(.timedOut, "\(file):\(line): withTimeout: \(duration) passed first")
    }
}

/// As the async form, for blocking code: `body` runs on a green stack of its own.
///
/// Parks the calling green thread, or blocks the calling OS thread, until `body` has ended.
///
/// - Throws: As the async form; `TandemError` `notOnGreenThread` when called directly in async code.
@available(*, noasync)
@_disfavoredOverload  // Else a body that never awaits would be taken for blocking code's, also in async code.
public func withTimeout<Success>(
    _ duration: Duration, file: StaticString = #fileID, line: UInt = #line, _ body: () throws -> Success
) throws -> Success {
    try awaiting(file: file, line: line) {
        try await withTimeout(duration, file: file, line: line) { try await blocking(body) }
    }
}

/// A deadline, and the task to cancel when it passes. Belongs to one hub.
private final class TimeoutScope {
    private(set) var hasExpired: Bool
    private var task: UnsafeCurrentTask?
    private let hub: Hub
    private var timer: HubTimer!

    init(on hub: Hub, after duration: Duration) {
        self.hub = hub
        // The body begins in this turn, the timer would fire in the next.
        hasExpired = duration <= .zero
        timer = HubTimer(on: hub) { [unowned self] in
            hasExpired = true
            task?.cancel()
        }
        if !hasExpired { timer.arm(.after(duration)) }
    }

    /// Runs `body` in a child task, which the deadline cancels, and owns it until it has ended.
    @inline(never)
    func run(_ body: () async -> Void) async {
        // Used by the child alone, on the hub's thread, while this task only waits for it.
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
