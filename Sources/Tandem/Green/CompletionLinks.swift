internal import Glibc

/// The handlers that are linked to the end of a green thread, called in the order in which they were linked. Guarded by the lock of
/// its `Completion`.
struct CompletionLinks: Sendable {
    /// A handler, called with the outcome of the thread.
    typealias Handler = @Sendable (Result<Void, any Error>) -> Void

    enum Added {
        case linked(Int)
        /// The thread has ended. The handler was added, and the caller of `add` must call the pending handlers.
        case toBeCalled
        /// The thread has ended, and another OS thread is calling the pending handlers. The caller must call its handler itself
        /// rather than wait for that.
        case busy
    }

    // Not a slice: that keeps what was removed from its beginning.
    private var waiting: [(key: Int, handler: Handler)] = []
    private var nextKey = 0
    private var hasEnded = false
    /// The OS thread that is calling handlers. Handlers that one of them links are called after it, so nesting does not recurse.
    private var caller: pthread_t?

    /// Removes and returns the next handler; the caller must call it. Returns nil when no handler is left: the thread has ended.
    mutating func removeNext() -> Handler? {
        guard !waiting.isEmpty else {
            caller = nil
            hasEnded = true
            return nil
        }
        caller = pthread_self()
        return waiting.removeFirst().handler
    }

    mutating func add(_ handler: @escaping Handler) -> Added {
        let isNested = caller.map { pthread_equal($0, pthread_self()) != 0 } ?? false
        if hasEnded, caller != nil, !isNested { return .busy }
        nextKey += 1
        waiting.append((nextKey, handler))
        guard hasEnded, !isNested else { return .linked(nextKey) }
        caller = pthread_self()
        return .toBeCalled
    }

    /// Removes and returns a handler; nil if it is not linked any more.
    mutating func remove(_ key: Int) -> Handler? {
        waiting.firstIndex { $0.key == key }.map { waiting.remove(at: $0).handler }
    }
}
