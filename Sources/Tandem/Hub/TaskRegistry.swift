/// The tasks that a hub has started and that have not ended: what stopping it must cancel and wait for.
struct TaskRegistry {
    private(set) var running: [UInt64: (task: UnsafeCurrentTask, name: GreenThreadName)] = [:]
    private var nextKey: UInt64 = 0

    var count: Int { running.count }

    var names: [String] { running.values.map { "\($0.name)" } }

    /// Called in the task when it starts.
    mutating func add(_ task: UnsafeCurrentTask, name: GreenThreadName) -> UInt64 {
        nextKey += 1
        running[nextKey] = (task, name)
        return nextKey
    }

    /// Called in the task before it ends.
    mutating func remove(_ key: UInt64) { running[key] = nil }

    func cancelAll() {
        for entry in running.values { entry.task.cancel() }
    }
}
