internal import Synchronization

/// A number of permits that callers acquire and release. A caller that finds none waits; callers are served in order of arrival.
///
/// May be used from green threads, async code and ordinary OS threads at once, on any hub. A released permit goes directly to the
/// caller that has waited longest. No permit is lost: if a caller is cancelled or times out at the moment it gets its permit, it
/// has the permit.
public final class Semaphore: Sendable {
    private struct State {
        var permits: Int
        var waiters = WaitList<Void>()

        mutating func acquire(orEnlist waiter: Waiter<Void>?) -> Void? {
            guard permits == 0 else {
                permits -= 1
                return ()
            }
            if let waiter { waiters.append(waiter) }
            return nil
        }
    }

    private let state: Mutex<State>
    /// The maximum number of available permits. Releasing more is a programming error.
    public let limit: Int

    /// Creates a semaphore.
    ///
    /// - Parameters:
    ///   - permits: The number of permits at the start; 0 or more.
    ///   - limit: The maximum number of permits, for a bounded semaphore; not less than `permits`.
    /// - Precondition: `0 <= permits <= limit`.
    public init(_ permits: Int, limit: Int = .max) {
        precondition(permits >= 0 && permits <= limit, "a Semaphore has 0 to \(limit) permits, not \(permits)")
        state = Mutex(State(permits: permits))
        self.limit = limit
    }

    /// The number of available permits; 0 while any caller waits. Any thread.
    public var available: Int { state.withLock { $0.permits } }

    /// The number of callers that wait. Any thread.
    public var waiting: Int { state.withLock { $0.waiters.count } }

    /// Takes a permit if one is available. Returns whether it did. Never waits. Allowed everywhere, also on a hub's own stack.
    public func tryAcquire() -> Bool { state.withLock { $0.acquire(orEnlist: nil) } != nil }

    /// Takes a permit; suspends until one is available. Throws `CancellationError`, or `TandemError` `timedOut`; then no permit
    /// was taken.
    ///
    /// A cancelled task that does not have to wait gets its permit, unless it has made 64 such calls without waiting: then the call
    /// throws. So a loop whose permits always come at once ends too.
    public func acquire(deadline: Deadline = .never) async throws {
        if let hub = Hub.current, hub.charge() { try checkCancellation() }
        try await state.waitInLine(
            deadline, "Semaphore.acquire", enter: { $0.acquire(orEnlist: $1) }, leave: { $0.waiters.remove($1) })
    }

    /// Takes a permit; parks the green thread (or blocks the OS thread) until one is available. Throws `CancellationError`, or
    /// `TandemError` `timedOut`, `notOnGreenThread` or `wrongTask`; then no permit was taken.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public func acquire(deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line) throws {
        if let hub = Hub.current, hub.charge() { try checkCancellation() }
        try state.waitInLine(
            deadline, "Semaphore.acquire", file, line, enter: { $0.acquire(orEnlist: $1) }, leave: { $0.waiters.remove($1) })
    }

    /// Returns a permit, or adds one. It goes to the caller that has waited longest; if no caller waits, it becomes available.
    /// Never waits. Allowed everywhere.
    ///
    /// - Precondition: Fewer than `limit` permits are available. Otherwise two callers believe that they hold the same permit,
    ///   and the semaphore no longer guards anything.
    public func release() {
        state.withLock { state in
            if let waiter = state.waiters.popFirst() { return waiter.end(.success(())) }
            precondition(state.permits < limit, "Semaphore.release: all \(limit) permits were already available")
            state.permits += 1
        }
    }

    /// Takes a permit, runs `body`, and releases the permit however `body` ends. Throws the errors of `acquire` and `body`.
    public func withPermit<Success>(deadline: Deadline = .never, _ body: () async throws -> Success) async throws -> Success {
        try await acquire(deadline: deadline)
        defer { release() }
        return try await body()
    }

    /// Takes a permit, runs `body`, and releases the permit; parks the green thread (or blocks the OS thread) until a permit is
    /// available. Otherwise the same as the async form.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public func withPermit<Success>(
        deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line, _ body: () throws -> Success
    ) throws -> Success {
        try acquire(deadline: deadline, file: file, line: line)
        defer { release() }
        return try body()
    }
}
