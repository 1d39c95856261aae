public import Tandem

/// How a handler learns that its server stops: for answers that have no end of their own, as event streams and long polls.
///
/// A server that drains waits for its requests within the grace, and cuts what is left. A stream that ends by itself when
/// draining begins is closed in order, and its client connects to the next server at once.
///
///     Response(streaming: { writer in
///         while let event = try await writer.draining.cancelling({ try await events.get() }) {
///             try await writer.write(event)
///         }
///     })
public struct Draining: Sendable {
    private let event: Event<Void>

    init(_ event: Event<Void>) { self.event = event }

    /// Whether the server drains, or has stopped. Any thread.
    public var hasBegun: Bool { event.outcome != nil }

    /// Suspends until the server drains. Throws `CancellationError`, and `TandemError` `timedOut`.
    public func wait(deadline: Deadline = .never) async throws { try await event.wait(deadline: deadline) }

    /// Parks the green thread, or blocks the OS thread, until the server drains. Throws as the async form, and `TandemError`
    /// `notOnGreenThread`.
    @available(*, noasync)
    public func wait(deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line) throws {
        try event.wait(deadline: deadline, file: file, line: line)
    }

    /// Runs `body`, and cancels it when the server begins to drain. Returns when it has ended: its value, or nil when it was
    /// cancelled so, or never begun because the server drains already. A body that suppresses the cancellation has its value
    /// delivered.
    ///
    /// - Throws: What `body` throws; `CancellationError` when the caller's own task is cancelled.
    public func cancelling<Success: Sendable>(
        _ body: @escaping @Sendable () async throws -> Success
    ) async throws -> Success? {
        guard !hasBegun else { return nil }
        return try await withThrowingTaskGroup(of: Success?.self) { group in
            group.addTask { try await body() }
            group.addTask {
                // Cancelled: `body` has ended, or the caller is cancelled, which `body` tells.
                try? await event.wait()
                return nil
            }
            let first = try await group.next()!
            group.cancelAll()
            if let first { return first }
            do { return try await group.next()! } catch is CancellationError where !Task.isCancelled { return nil }
        }
    }

    /// As the async form, for blocking code: `body` runs on a green stack of its own. Parks the calling green thread, or blocks
    /// the calling OS thread, until `body` has ended.
    ///
    /// - Throws: As the async form; `TandemError` `notOnGreenThread` when called directly in async code.
    @available(*, noasync)
    @_disfavoredOverload  // Else a body that never awaits would be taken for blocking code's, also in async code.
    public func cancelling<Success: Sendable>(
        file: StaticString = #fileID, line: UInt = #line, _ body: @escaping @Sendable () throws -> Success
    ) throws -> Success? {
        try awaiting(file: file, line: line) {
            try await cancelling { () async throws -> Success in try await blocking { try body() } }
        }
    }
}
