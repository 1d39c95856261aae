extension GreenThread {
    /// Has `handler` called once, when this thread has ended and before those go on who wait for it; also when its body
    /// never ran, with the error that `wait` throws. Handlers are called in the order in which they were linked.
    ///
    /// It runs on the hub where the thread ended, on the hub's own stack, so it must not block. When the thread has ended
    /// already, it is called at once, by the caller. Any thread may link.
    ///
    /// - Returns: What takes the handler back.
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

    /// Takes the handler back, from any thread. Returns whether it was still linked: then it is never called; else it has
    /// been, or is being, called, or was taken back before.
    @discardableResult
    public func unlink() -> Bool { remove() }
}
