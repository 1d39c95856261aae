extension GreenThread {
    /// Calls `handler` once, when this thread has ended, before the callers that wait for it continue. It is also called if the
    /// body never ran, with the error that `wait` throws. Handlers are called in the order in which they were linked.
    ///
    /// The handler runs on the hub where the thread ended, on the hub's own stack, so it must not block. If the thread has
    /// already ended, the caller of this method calls the handler at once. May be called from any thread.
    ///
    /// - Returns: A link that can remove the handler.
    @discardableResult
    public func onCompletion(_ handler: @escaping @Sendable (Result<Success, any Error>) -> Void) -> CompletionLink {
        completion.observe()
        return completion.link(handler)
    }
}

/// A handler that was linked to the end of a green thread.
public struct CompletionLink: Sendable {
    private let remove: @Sendable () -> Bool

    init(remove: @escaping @Sendable () -> Bool) { self.remove = remove }

    /// Removes the handler. May be called from any thread. Returns whether it was still linked: if so, it is never called; if
    /// not, it has been called, is being called, or was removed before.
    @discardableResult
    public func unlink() -> Bool { remove() }
}
