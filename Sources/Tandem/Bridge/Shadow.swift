/// The mark of code whose answer nobody gets: a shadow.
///
/// A migrating route may run a second handler on a copy of a request, to compare its answer with the one that was sent. That run is a
/// shadow. It must not change anything that others can see.
///
///     func visit(_ page: String) {
///         guard !Shadow.isActive else { return }
///         counter.increment(page)
///     }
public enum Shadow {
    /// Whether the calling code runs in a shadow. A task-local value, so it holds at any depth of bridges, and in child tasks and
    /// tasks that the code starts; not in those of `Task.detached`, and not on the threads of an `OffloadPool`. `FetchClient` refuses
    /// unsafe methods while it is true.
    @TaskLocal public static var isActive = false
}
