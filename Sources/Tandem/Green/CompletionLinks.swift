internal import Glibc
internal import Synchronization

/// The handlers that are linked to an end, first linked, first called. Not generic: each green thread passes through here
/// when it ends, and code for all types alike would look up metadata each time.
final class CompletionLinks: Sendable {
    /// Takes the outcome.
    typealias Handler = @Sendable (any Sendable) -> Void

    enum Added {
        case linked(Int)
        /// It has ended: the handler is in line, and the caller calls what is in line.
        case toBeCalled
        /// It has ended, and another thread calls what is in line: that must not keep this one waiting.
        case busy
    }

    private struct State {
        var waiting: ArraySlice<(key: Int, handler: Handler)> = []
        var nextKey = 0
        var hasEnded = false
        /// The OS thread that is calling handlers. What one of them links is called after it, so nesting is no recursion.
        var caller: pthread_t?
    }

    private let state = Mutex(State())

    /// The next to be called, on this thread; nil when there is none, and then it has ended: `settle` says so to others.
    func next(orSettle settle: () -> Void) -> Handler? {
        state.withLock { state in
            guard let link = state.waiting.popFirst() else {
                state.caller = nil
                state.hasEnded = true
                settle()
                return nil
            }
            state.caller = pthread_self()
            return link.handler
        }
    }

    func add(_ handler: @escaping Handler) -> Added {
        state.withLock { state in
            let isNested = state.caller.map { pthread_equal($0, pthread_self()) != 0 } ?? false
            if state.hasEnded, state.caller != nil, !isNested { return .busy }
            state.nextKey += 1
            state.waiting.append((state.nextKey, handler))
            guard state.hasEnded, !isNested else { return .linked(state.nextKey) }
            state.caller = pthread_self()
            return .toBeCalled
        }
    }

    /// Whether it was still there.
    func remove(_ key: Int) -> Bool {
        // Let go outside the lock: what the handler holds may link in turn.
        let removed = state.withLock { state in
            state.waiting.firstIndex { $0.key == key }.map { state.waiting.remove(at: $0) }
        }
        return removed != nil
    }
}
