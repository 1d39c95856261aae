internal import CTandem

/// Runs `body` to its end, whatever is cancelled meanwhile: for cleanup that has to wait.
///
/// Inside, no wait, no foreign `await` and no `Task.isCancelled` sees the caller's cancellation, whether it came before or
/// comes later; afterwards the caller sees it again. Time-outs inside the shield work; a `withTimeout` around it is heeded
/// when it is left. Task-locals are the caller's. A hub that stops waits for `body`, within its `stopGrace`.
///
/// `body` runs in a task of its own on the caller's hub.
///
/// - Throws: What `body` throws, the same value.
public func withCancellationShield<Success, Failure: Error>(
    _ body: () async throws(Failure) -> Success
) async throws(Failure) -> Success {
    guard let hub = Hub.current else {
        return try await HubGroup.shared.nextHub().visit { () async throws(Failure) -> Success in
            try await withCancellationShield(body)
        }
    }
    var outcome: Result<Success, Failure>?
    await shield(on: hub) {
        do throws(Failure) { outcome = .success(try await body()) } catch { outcome = .failure(error) }
    }
    return try outcome!.get()
}

/// As the async form, for blocking code: `body` runs on a green stack of its own.
///
/// Parks the calling green thread, or blocks the calling OS thread, until `body` has ended.
///
/// - Throws: As the async form; `TandemError` `notOnGreenThread` when called directly in async code.
@available(*, noasync)
@_disfavoredOverload  // As `withTimeout`'s.
public func withCancellationShield<Success>(
    file: StaticString = #fileID, line: UInt = #line, _ body: () throws -> Success
) throws -> Success {
    try awaiting(file: file, line: line) {
        try await withCancellationShield { try await blocking(body) }
    }
}

/// Owns `body` until it has ended, in a task that nobody cancels.
@inline(never)
private func shield(on hub: Hub, _ body: () async -> Void) async {
    // Used by that task alone while this one only waits for it, which no cancellation ends.
    nonisolated(unsafe) let body = BorrowedClosure.borrow(body)
    await Task(executorPreference: hub) {
        // Else the hub has stopped meanwhile, and waits for nobody.
        guard hub.isCurrent else { return await body.callAsync() }
        let key = tandem_current_task()!
        hub.tasks.addShield(key)
        await body.callAsync()
        if hub.isCurrent { hub.tasks.remove(key) }
    }.value
}
