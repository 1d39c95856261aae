/// The tasks that a hub has started and that have not ended: what stopping it must cancel and wait for. Each is known by
/// its address, so that a wait which was cancelled can ask for the reason.
struct TaskRegistry {
    struct Entry {
        let task: UnsafeCurrentTask
        let name: GreenThreadName
        /// Of a green thread, which can be cancelled with one.
        var reason: CancellationReason?
        /// A shield is waited for, and not cancelled.
        var isShielded = false
    }

    private(set) var running: [UnsafeRawPointer: Entry] = [:]
    /// Child tasks of scopes, which are cancelled through their parents.
    private var children: [UnsafeRawPointer: CancellationReason] = [:]

    var count: Int { running.count }

    var names: [String] { running.values.map { "\($0.name)" } }

    /// Called in the task when it starts.
    mutating func add(_ key: UnsafeRawPointer, _ entry: Entry) { running[key] = entry }

    /// Called in the task before it ends.
    mutating func remove(_ key: UnsafeRawPointer) { running[key] = nil }

    /// Has a child's waits end for its parent's reason. Called in the child when it starts, and with nil before it ends.
    mutating func lend(_ reason: CancellationReason?, to key: UnsafeRawPointer) { children[key] = reason }

    /// Why this task was cancelled, if anybody can say.
    func reason(of key: UnsafeRawPointer) -> CancellationReason? { running[key]?.reason ?? children[key] }

    func cancelAll() {
        for entry in running.values where !entry.isShielded {
            entry.reason?.give(CancellationError())
            entry.task.cancel()
        }
    }
}
