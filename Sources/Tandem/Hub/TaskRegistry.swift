internal import CTandem

/// The tasks that a hub has started and that have not ended: what stopping it must cancel and wait for. Each is known by
/// its address, so that a wait which was cancelled can ask for the reason.
///
/// There may be a million, so an entry is small.
struct TaskRegistry {
    struct Entry {
        let name: GreenThreadName
        /// Of a green thread, which can be cancelled with one.
        var reason: CancellationReason?
    }

    private(set) var running: [UnsafeRawPointer: Entry] = [:]
    /// Those of them that are waited for, and not cancelled.
    private var shields: Set<UnsafeRawPointer> = []
    /// Child tasks of scopes, which are cancelled through their parents.
    private var children: [UnsafeRawPointer: CancellationReason] = [:]

    var count: Int { running.count }

    var names: [String] { running.values.map { "\($0.name)" } }

    /// Called in the task when it starts.
    mutating func add(_ key: UnsafeRawPointer, name: GreenThreadName, reason: CancellationReason? = nil) {
        running[key] = Entry(name: name, reason: reason)
    }

    /// As `add`, for a task that stopping the hub must not cancel.
    mutating func addShield(_ key: UnsafeRawPointer) {
        add(key, name: "cancellation shield")
        shields.insert(key)
    }

    /// Called in the task before it ends.
    mutating func remove(_ key: UnsafeRawPointer) {
        running[key] = nil
        if !shields.isEmpty { shields.remove(key) }
    }

    /// Has a child's waits end for its parent's reason. Called in the child when it starts, and with nil before it ends.
    mutating func lend(_ reason: CancellationReason?, to key: UnsafeRawPointer) { children[key] = reason }

    /// Why this task was cancelled, if anybody can say.
    func reason(of key: UnsafeRawPointer) -> CancellationReason? { running[key]?.reason ?? children[key] }

    func cancelAll() {
        for (task, entry) in running where !shields.contains(task) {
            entry.reason?.give(CancellationError())
            tandem_cancel_task(task)
        }
    }
}
