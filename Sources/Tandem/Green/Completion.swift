internal import Synchronization

/// The end of a green thread, apart from the type of its value: every green thread passes through here, and generic code would look
/// up metadata each time.
///
/// Calls the linked handlers one after the other, then wakes the callers that wait for the thread. If the thread failed and its last
/// reference goes away before anyone has asked for the outcome, the hub reports the error.
@usableFromInline
final class Completion: Sendable {
    private struct State {
        var outcome: Result<Void, any Error>?
        var waiters = WaitList<Void>()
        var links = CompletionLinks()
        /// The hub of a thread whose body failed for a reason other than cancellation.
        var failedOn: Hub?

        /// Returns the next handler to call. When no handler is left, records the outcome and wakes the waiters.
        mutating func next(_ outcome: Result<Void, any Error>) -> CompletionLinks.Handler? {
            if let handler = links.removeNext() { return handler }
            if self.outcome == nil {
                self.outcome = outcome
                waiters.endAll(outcome)
            }
            return nil
        }

        mutating func check(orEnlist waiter: Waiter<Void>?) throws -> Void? {
            if let outcome { return try outcome.get() }
            if let waiter { waiters.append(waiter) }
            return nil
        }
    }

    private let name: GreenThreadName
    private let reason = CancellationReason()
    /// Whether anyone has asked for the outcome.
    private let isObserved = Atomic<Bool>(false)
    private let state = Mutex(State())
    // Set by `start` only, before anyone else has the thread; nil if the body ran in the caller's task (a member of a full
    // `GreenPool` that spawns into it).
    @exclusivity(unchecked) private nonisolated(unsafe) var task: Task<Void, Never>?

    @usableFromInline init(_ name: GreenThreadName) { self.name = name }

    deinit {
        guard !isObserved.load(ordering: .relaxed) else { return }
        guard let (hub, outcome) = state.withLock({ state in state.failedOn.map { ($0, state.outcome) } }),
            case .failure(let error) = outcome
        else { return }
        hub.report(.failed, "green thread '\(name)' failed, and nobody waited for it: \(error)")
    }

    // MARK: The thread

    /// Starts the thread. `body` returns the error that it failed with.
    @usableFromInline
    func start(on hub: Hub?, after delay: Duration, _ body: @escaping @Sendable () -> (any Error)?) {
        let hub = hub ?? .forCaller
        task = Task(executorPreference: hub) { [self] in
            var failure: (any Error)?
            let neverRan = await hub.runThread(name, reason, after: delay) { failure = body() }
            end(failure, neverRan, on: hub)
        }
    }

    /// Records that the body has run in the caller's task.
    func endInline(_ failure: (any Error)?) { end(failure.map { .failure(reason.told($0, of: name)) } ?? .success(())) }

    func cancel(throwing error: any Error) {
        guard let task else { return }
        reason.give(error)
        task.cancel()
    }

    @inline(never)  // frame
    private func end(_ failure: (any Error)?, _ neverRan: (any Error)?, on hub: Hub) {
        if let failure, !(failure is CancellationError), reason.error == nil { state.withLock { $0.failedOn = hub } }
        endInline(failure ?? neverRan)
    }

    /// Called once, where the thread ended. Handlers that are linked during this call are called by it too, after the others.
    private func end(_ outcome: Result<Void, any Error>) {
        while let handler = state.withLock({ $0.next(outcome) }) { handler(outcome) }
    }

    // MARK: Those who ask

    /// The outcome without the value; nil while the thread has not ended.
    var outcome: Result<Void, any Error>? {
        observe()
        return state.withLock { $0.outcome }
    }

    /// The number of callers that wait. Any thread.
    var waiting: Int { state.withLock { $0.waiters.count } }

    var isFinished: Bool { state.withLock { $0.outcome != nil } }

    @usableFromInline
    func wait(deadline: Deadline) async throws {
        observe()
        try await state.waitInLine(
            deadline, "GreenThread.wait", enter: { try $0.check(orEnlist: $1) }, leave: { $0.waiters.remove($1) })
    }

    @available(*, noasync)
    @usableFromInline
    func wait(deadline: Deadline, file: StaticString, line: UInt) throws {
        observe()
        try state.waitInLine(
            deadline, "GreenThread.wait", file, line, enter: { try $0.check(orEnlist: $1) }, leave: { $0.waiters.remove($1) })
    }

    func observe() { isObserved.store(true, ordering: .relaxed) }

    @discardableResult
    func link(_ handler: @escaping CompletionLinks.Handler) -> CompletionLink {
        let (added, outcome) = state.withLock { ($0.links.add(handler), $0.outcome) }
        switch added {
        case .linked(let key):
            // The handler is released outside the lock: a deinit of what it holds may link another one.
            return CompletionLink { self.state.withLock { $0.links.remove(key) } != nil }
        case .toBeCalled: end(outcome!)
        case .busy: handler(outcome!)
        }
        return CompletionLink { false }
    }
}
