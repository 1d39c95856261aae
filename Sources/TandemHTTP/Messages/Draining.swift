public import Tandem

/// The signal that a server drains, for handlers whose answers do not end by themselves, such as event streams and long polls.
///
/// A server that drains waits for its requests until the grace is over, then cuts the remaining ones. If a stream ends as soon as
/// draining begins, the server closes the connection cleanly, and the client can connect to the next server at once.
///
///     Response(streaming: { writer in
///         while let event = try await writer.draining.cancelling({ try await events.get() }) {
///             try await writer.write(event)
///         }
///     })
public struct Draining: Sendable {
    private let event: Event<Void>

    init(_ event: Event<Void>) { self.event = event }

    /// Whether the server drains, or has stopped. Call it from any thread.
    public var hasBegun: Bool { event.outcome != nil }

    /// Suspends until the server drains. Throws `CancellationError`, and `TandemError` `timedOut` at the deadline.
    public func wait(deadline: Deadline = .never) async throws { try await event.wait(deadline: deadline) }

    /// Parks the green thread, or blocks the OS thread, until the server drains. Throws as the async form, and `TandemError`
    /// `notOnGreenThread`.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public func wait(deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line) throws {
        try event.wait(deadline: deadline, file: file, line: line)
    }

    /// Runs `body`, and cancels it when the server begins to drain. Waits until `body` has ended and returns its value, even if
    /// `body` ignored the cancellation. Returns nil when draining ended `body`, or when the server already drained and `body`
    /// never ran.
    ///
    /// - Throws: What `body` throws; `CancellationError` when the caller's own task is cancelled.
    public func cancelling<Success: Sendable>(
        _ body: @escaping @Sendable () async throws -> Success
    ) async throws -> Success? {
        guard !hasBegun else { return nil }
        return try await withThrowingTaskGroup(of: Success?.self) { group in
            group.addTask { try await body() }
            group.addTask {
                // The wait is cancelled when `body` has ended or the caller is cancelled; `body` reports the latter.
                try? await event.wait()
                return nil
            }
            let first = try await group.next()!
            group.cancelAll()
            if let first { return first }
            do { return try await group.next()! } catch is CancellationError where !Task.isCancelled { return nil }
        }
    }

    /// Runs a blocking `body` as the async form does, on a separate green stack. Parks the calling green thread, or blocks the
    /// calling OS thread, until `body` has ended.
    ///
    /// - Throws: As the async form; `TandemError` `notOnGreenThread` when called directly in async code.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    @_disfavoredOverload  // Otherwise a closure that never awaits would select this form, also in async code.
    public func cancelling<Success: Sendable>(
        file: StaticString = #fileID, line: UInt = #line, _ body: @escaping @Sendable () throws -> Success
    ) throws -> Success? {
        try awaiting(file: file, line: line) {
            try await cancelling { () async throws -> Success in try await blocking(line: 0) { try body() } }
        }
    }
}
