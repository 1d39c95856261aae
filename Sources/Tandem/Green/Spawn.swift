/// Starts blocking code on a green thread of the current hub; for a caller on no hub, of one of the shared group's.
///
///     let thread = spawn { try client.get(url) }          // try thread.wait()
///     let task = spawn { try await client.get(url) }      // try await task.value
///
/// The closure's own style selects the form: one that awaits becomes a task, one that does not becomes a green thread. Both inherit
/// the caller's task-locals and priority, and the hub cancels both when it stops. `GreenThread(on:)` and `Hub.spawn` name the hub.
///
/// - Parameters:
///   - name: The name of the green thread, in messages about overflow, stalls or cancellation.
///   - delay: The least time before it starts. It holds no stack meanwhile.
@discardableResult
public func spawn<Success: Sendable>(
    name: GreenThreadName = "green thread", after delay: Duration = .zero, _ body: @escaping @Sendable () throws -> Success
) -> GreenThread<Success> {
    GreenThread(name: name, after: delay, body)
}

/// Starts async code in a task on the current hub, as `Hub.spawn`; for a caller on no hub, on one of the shared group's.
///
/// Use this where `Task { }` would be used elsewhere: `Task { }` and `Task.detached` leave the hub. Cancelled before its first
/// step, `body` never runs.
///
/// - Parameters:
///   - name: The name of the task, in messages.
///   - delay: The least time before it starts.
@discardableResult
public func spawn<Success: Sendable>(
    name: GreenThreadName = "task", after delay: Duration = .zero, _ body: @escaping @Sendable () async throws -> Success
) -> Task<Success, any Error> {
    (Hub.current ?? HubGroup.shared.nextHub()).spawn(name: name, after: delay, body)
}
