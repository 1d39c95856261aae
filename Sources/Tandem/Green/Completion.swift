internal import Glibc
internal import Synchronization

/// The end of a green thread: what is linked to it is called, one after the other, and then who waits for it goes on.
final class Completion<Success: Sendable>: Sendable {
    typealias Handler = @Sendable (Result<Success, any Error>) -> Void

    private struct Links {
        var waiting: ArraySlice<(key: Int, handler: Handler)> = []
        var nextKey = 0
        /// The OS thread that is calling handlers. What one of them links is called after it, so nesting is no recursion.
        var caller: pthread_t?
    }

    let ended = Event<Success>(waitedForAs: "GreenThread.wait")
    private let links = Mutex(Links())

    /// Called once, where it ended.
    func end(_ outcome: Result<Success, any Error>) {
        links.withLock { $0.caller = pthread_self() }
        callHandlers(outcome)
    }

    private func callHandlers(_ outcome: Result<Success, any Error>) {
        while let handler = nextHandler(orSettle: outcome) { handler(outcome) }
    }

    private func nextHandler(orSettle outcome: Result<Success, any Error>) -> Handler? {
        links.withLock { links in
            if let link = links.waiting.popFirst() { return link.handler }
            links.caller = nil
            ended.settle(outcome)
            return nil
        }
    }

    func link(_ handler: @escaping Handler) -> CompletionLink {
        let (key, outcome) = links.withLock { links -> (Int?, Result<Success, any Error>?) in
            var outcome = ended.outcome
            if outcome != nil, let caller = links.caller {
                // It has ended. Another thread's handlers do not keep this one waiting.
                guard pthread_equal(caller, pthread_self()) != 0 else { return (nil, outcome) }
                outcome = nil
            }
            if outcome != nil { links.caller = pthread_self() }
            links.nextKey += 1
            links.waiting.append((links.nextKey, handler))
            return (links.nextKey, outcome)
        }
        guard let key else {
            handler(outcome!)
            return CompletionLink { false }
        }
        if let outcome { callHandlers(outcome) }
        return CompletionLink { self.unlink(key) }
    }

    private func unlink(_ key: Int) -> Bool {
        // Let go outside the lock: what the handler holds may link in turn.
        let removed = links.withLock { links in
            links.waiting.firstIndex { $0.key == key }.map { links.waiting.remove(at: $0) }
        }
        return removed != nil
    }
}
