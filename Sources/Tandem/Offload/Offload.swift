/// Runs `body`, which really blocks or computes for long, on a thread of the shared pool, and suspends until it has ended.
///
/// For what no hub can wait for: files, CPU-heavy work, C libraries that block. The hub serves others meanwhile. Inside
/// `body` there is no task: see `OffloadPool` for what that means.
///
/// - Throws: What `OffloadPool.run` throws.
public func offload<Success: Sendable>(
    deadline: Deadline = .never, _ body: @escaping @Sendable () throws -> Success
) async throws -> Success {
    try await OffloadPool.shared.run(deadline: deadline, body)
}

/// As the async form: parks the green thread, or blocks the ordinary OS thread, until `body` has ended.
///
/// - Throws: What `OffloadPool.run` throws.
@available(*, noasync)
public func offload<Success: Sendable>(
    deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line,
    _ body: @escaping @Sendable () throws -> Success
) throws -> Success {
    try OffloadPool.shared.run(deadline: deadline, file: file, line: line, body)
}
