/// Runs `body` on an OS thread of the shared pool, and suspends until it has ended. For code that really blocks or computes for
/// long: files, CPU-heavy work, C libraries that block.
///
/// Meanwhile the hub runs other jobs. `body` runs outside any task: `OffloadPool` says what follows from that.
///
/// - Parameters:
///   - deadline: The time at which the caller stops waiting for a thread and for the end of `body`.
///   - body: The code to run.
/// - Throws: The errors of `OffloadPool.run`.
public func offload<Success: Sendable>(
    deadline: Deadline = .never, _ body: @escaping @Sendable () throws -> Success
) async throws -> Success {
    try await OffloadPool.shared.run(deadline: deadline, body)
}

/// Runs `body` on an OS thread of the shared pool; parks the green thread, or blocks the ordinary OS thread, until it has ended.
/// Otherwise the same as the async form.
///
/// - Throws: The errors of `OffloadPool.run`.
@available(*, noasync)
#if TANDEM_MIGRATION
@available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
#endif
public func offload<Success: Sendable>(
    deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line,
    _ body: @escaping @Sendable () throws -> Success
) throws -> Success {
    try OffloadPool.shared.run(deadline: deadline, file: file, line: line, body)
}
