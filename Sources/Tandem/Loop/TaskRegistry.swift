internal import CTandem

/// The running tasks that a hub has started: a hub that stops cancels them and waits for them. They are keyed by address, so that
/// a wait that was cancelled can look up the reason.
///
/// There may be a million tasks, so an entry is small.
struct TaskRegistry {
    struct Entry {
        let name: GreenThreadName
        /// The cancellation reason of a green thread; nil for other tasks.
        var reason: CancellationReason?
    }

    private(set) var running: [UnsafeRawPointer: Entry] = [:]
    /// The tasks that the hub waits for but does not cancel.
    private var shields: Set<UnsafeRawPointer> = []
    /// The reasons of child tasks of scopes. Child tasks are cancelled through their parents.
    private var children: [UnsafeRawPointer: CancellationReason] = [:]

    var count: Int { running.count }

    var names: [String] { running.values.map { "\($0.name)" } }

    /// Adds a task. Called in the task when it starts.
    mutating func add(_ key: UnsafeRawPointer, name: GreenThreadName, reason: CancellationReason? = nil) {
        running[key] = Entry(name: name, reason: reason)
    }

    /// Adds a task that the hub does not cancel when it stops.
    mutating func addShield(_ key: UnsafeRawPointer) {
        add(key, name: "cancellation shield")
        shields.insert(key)
    }

    /// Removes a task. Called in the task before it ends.
    mutating func remove(_ key: UnsafeRawPointer) {
        running[key] = nil
        if !shields.isEmpty { shields.remove(key) }
    }

    /// Makes a child's waits end with its parent's reason. Called in the child when it starts, and with nil before it ends.
    mutating func lend(_ reason: CancellationReason?, to key: UnsafeRawPointer) { children[key] = reason }

    /// Returns the cancellation reason of a task, or nil if it has none.
    func reason(of key: UnsafeRawPointer) -> CancellationReason? { running[key]?.reason ?? children[key] }

    func cancelAll() {
        for (task, entry) in running where !shields.contains(task) {
            entry.reason?.give(CancellationError())
            tandem_cancel_task(task)
        }
    }
}
