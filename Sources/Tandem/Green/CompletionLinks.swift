internal import Glibc
internal import Synchronization

/// The handlers that are linked to the end of a green thread, called in the order in which they were linked. Not generic: every
/// green thread passes through here when it ends, and generic code would look up metadata each time.
final class CompletionLinks: Sendable {
    /// A handler, called with the outcome.
    typealias Handler = @Sendable (any Sendable) -> Void

    enum Added {
        case linked(Int)
        /// The thread has ended. The handler was added, and the caller of `add` must call the pending handlers.
        case toBeCalled
        /// The thread has ended, and another OS thread is calling the pending handlers. The caller must call its handler itself
        /// rather than wait for that.
        case busy
    }

    private struct State {
        var waiting: ArraySlice<(key: Int, handler: Handler)> = []
        var nextKey = 0
        var hasEnded = false
        /// The OS thread that is calling handlers. Handlers that one of them links are called after it, so nesting does not
        /// recurse.
        var caller: pthread_t?
    }

    private let state = Mutex(State())

    /// Returns the next handler to call on this thread. If there is none, calls `settle` under the lock and returns nil.
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

    /// Removes a handler. Returns whether it was still linked.
    func remove(_ key: Int) -> Bool {
        // Released outside the lock: a deinit of what the handler holds may link another handler.
        let removed = state.withLock { state in
            state.waiting.firstIndex { $0.key == key }.map { state.waiting.remove(at: $0) }
        }
        return removed != nil
    }
}
