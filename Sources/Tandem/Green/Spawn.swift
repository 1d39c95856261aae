/// Starts blocking code on a green thread of the current hub or, if the caller is on no hub, of a hub of the shared group.
///
///     let thread = spawn { try client.get(url) }          // try thread.wait()
///     let task = spawn { try await client.get(url) }      // try await task.value
///
/// The closure's own style selects the form: a closure that awaits becomes a task, one that does not becomes a green thread. Both
/// inherit the caller's task-locals and priority, and the hub cancels both when it stops. `GreenThread(on:)` and `Hub.spawn` let
/// the caller choose the hub.
///
/// - Parameters:
///   - name: The name of the green thread, for dumps and for messages about overflow, stalls or cancellation.
///   - delay: The minimum delay before the body starts. Until then the thread holds no stack.
///   - body: The blocking code.
#if TANDEM_MIGRATION
@available(*, deprecated, message: "green thread: start a task instead, with a closure that awaits [migration: green thread]")
#endif
@discardableResult
@inlinable
public func spawn<Success: Sendable>(
    name: GreenThreadName = "green thread", after delay: Duration = .zero, _ body: @escaping @Sendable () throws -> Success
) -> GreenThread<Success> {
    GreenThread(name: name, after: delay, body)
}

/// Starts async code in a task on the current hub or, if the caller is on no hub, on a hub of the shared group. See `Hub.spawn`.
///
/// Use this instead of `Task { }` and `Task.detached`, whose tasks leave the hub. If the task is cancelled before its first step,
/// `body` never runs.
///
/// - Parameters:
///   - name: The name of the task, for dumps and messages.
///   - delay: The minimum delay before the body starts.
///   - body: The async code.
@discardableResult
public func spawn<Success: Sendable>(
    name: GreenThreadName = "task", after delay: Duration = .zero, _ body: @escaping @Sendable () async throws -> Success
) -> Task<Success, any Error> {
    Hub.forCaller.spawn(name: name, after: delay, body)
}
