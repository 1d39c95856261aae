internal import CTandem

/// Runs `body` to its end without cancelling it, for cleanup that has to wait.
///
/// Inside, neither waits nor `await`s of other async code nor `Task.isCancelled` see the cancellation of the caller, whether it
/// came before or comes later. Afterwards the caller sees it again. Time-outs inside the shield work; a `withTimeout` around it
/// takes effect after the shield has ended. Task-locals are the caller's. A hub that stops does not cancel `body`, and waits for
/// it within its `stopGrace`.
///
/// `body` runs in a separate task on the caller's hub or, if the caller is on no hub, on a hub of the shared group.
///
/// - Throws: The error that `body` throws, unchanged.
public func withCancellationShield<Success, Failure: Error>(
    _ body: () async throws(Failure) -> Success
) async throws(Failure) -> Success {
    guard let hub = Hub.current else {
        return try await Hub.forCaller.visit { () async throws(Failure) -> Success in
            try await withCancellationShield(body)
        }
    }
    var outcome: Result<Success, Failure>?
    await shield(on: hub) {
        do throws(Failure) { outcome = .success(try await body()) } catch { outcome = .failure(error) }
    }
    return try outcome!.get()
}

/// Runs blocking code without cancelling it, on a separate green stack. Otherwise the same as the async form.
///
/// Parks the calling green thread, or blocks the calling OS thread, until `body` has ended.
///
/// - Throws: The error that `body` throws; `TandemError` `notOnGreenThread` when called directly in async code, or `wrongTask`.
@available(*, noasync)
#if TANDEM_MIGRATION
@available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
#endif
@_disfavoredOverload  // For the same reason as `withTimeout`.
public func withCancellationShield<Success>(
    file: StaticString = #fileID, line: UInt = #line, _ body: () throws -> Success
) throws -> Success {
    try awaiting(file: file, line: line) {
        try await withCancellationShield { try await blocking(line: 0, body) }
    }
}

/// Holds `body` until it has ended, in a task that is never cancelled.
@inline(never)
private func shield(on hub: Hub, _ body: () async -> Void) async {
    // Used only by the new task, while this one waits for it; no cancellation ends that wait.
    nonisolated(unsafe) let body = BorrowedClosure.borrow(body)
    await Task(executorPreference: hub) {
        // If the hub has stopped meanwhile, its list must not be touched.
        guard hub.isCurrent else { return await body.callAsync() }
        let key = tandem_current_task()!
        hub.tasks.addShield(key)
        await body.callAsync()
        if hub.isCurrent { hub.tasks.remove(key) }
    }.value
}
