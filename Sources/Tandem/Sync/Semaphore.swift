internal import Synchronization

/// A number of permits that callers take and give back; who finds none waits, first come, first served.
///
/// Works from green threads, async code and ordinary OS threads at once, on any hub. A permit that is given back goes to
/// who has waited longest, so nobody who comes later gets it first; it is never lost: a caller whose cancellation or
/// deadline comes together with its permit has the permit.
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
    /// The most permits there can be; releasing more is a programming error.
    public let limit: Int

    /// - Parameters:
    ///   - permits: How many callers get through before the first `release`; 0 or more.
    ///   - limit: The bounded variant: the most permits that may be there at once, not less than `permits`.
    /// - Precondition: `0 <= permits <= limit`.
    public init(_ permits: Int, limit: Int = .max) {
        precondition(permits >= 0 && permits <= limit, "a Semaphore has 0 to \(limit) permits, not \(permits)")
        state = Mutex(State(permits: permits))
        self.limit = limit
    }

    /// Permits that nobody has; 0 while anyone waits. Any thread.
    public var available: Int { state.withLock { $0.permits } }

    /// How many callers wait. Any thread.
    public var waiting: Int { state.withLock { $0.waiters.count } }

    /// Takes a permit if there is one, without waiting. Legal everywhere, also on a hub's own stack.
    public func tryAcquire() -> Bool { state.withLock { $0.acquire(orEnlist: nil) } != nil }

    /// Takes a permit; suspends until there is one. Throws `CancellationError`, or `TandemError` `timedOut`, and then has
    /// taken none.
    public func acquire(deadline: Deadline = .never) async throws {
        try await state.waitInLine(
            deadline, "Semaphore.acquire", enter: { $0.acquire(orEnlist: $1) }, leave: { $0.waiters.remove($1) })
    }

    /// Takes a permit; parks the green thread (or blocks the OS thread) until there is one. Throws `CancellationError`, or
    /// `TandemError` `timedOut` or `notOnGreenThread`, and then has taken none.
    @available(*, noasync)
    public func acquire(deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line) throws {
        try state.waitInLine(
            deadline, "Semaphore.acquire", file, line, enter: { $0.acquire(orEnlist: $1) }, leave: { $0.waiters.remove($1) })
    }

    /// Gives a permit back, or adds one: to who has waited longest, or to keep. Never waits; legal everywhere.
    ///
    /// - Precondition: There are fewer than `limit` permits: one too many means that two callers believe they hold the
    ///   same one, and what the semaphore guards is no longer guarded.
    public func release() {
        state.withLock { state in
            if let waiter = state.waiters.popFirst() { return waiter.end(.success(())) }
            precondition(state.permits < limit, "Semaphore.release: all \(limit) permits are there already")
            state.permits += 1
        }
    }

    /// Runs `body` holding a permit, which is given back however `body` ends. Throws what `acquire` or `body` throws.
    public func withPermit<Success>(deadline: Deadline = .never, _ body: () async throws -> Success) async throws -> Success {
        try await acquire(deadline: deadline)
        defer { release() }
        return try await body()
    }

    /// As the async form; parks the green thread (or blocks the OS thread) until there is a permit.
    @available(*, noasync)
    public func withPermit<Success>(
        deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line, _ body: () throws -> Success
    ) throws -> Success {
        try acquire(deadline: deadline, file: file, line: line)
        defer { release() }
        return try body()
    }
}
