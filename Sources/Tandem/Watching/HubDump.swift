internal import Runtime

/// A snapshot of the green threads and tasks on a hub, made by `Hub.dump`. `description` is its text.
public struct HubDump: Sendable, CustomStringConvertible {
    /// A green thread: a task that has borrowed a stack.
    public struct GreenThreadEntry: Sendable {
        /// The number of its stack: see `GreenThreadIdentity.current`.
        public let number: Int
        /// The name that it was started with.
        public let name: String
        /// The state of the green thread: that it runs, or what it waits for.
        public let state: String
        /// The stack of the green thread.
        public let stack: StackTrace
    }

    /// A task that waits and has no stack.
    public struct TaskEntry: Sendable {
        /// The name given to `Hub.spawn`, or "task" for tasks that were started in another way.
        public let name: String
        /// The event that the task waits for.
        public let state: String
    }

    /// The hub's `HubConfiguration.name`, and its number in its group.
    public let hubName: String, hubIndex: Int
    /// The hub's counters.
    public let statistics: HubStatistics
    /// The green threads, up to the limit.
    public let greenThreads: [GreenThreadEntry]
    /// The tasks that wait, up to the limit.
    public let tasks: [TaskEntry]
    /// Lines of objects that libraries keep on the hub, such as the client's upstreams with their connections.
    public let locals: [String]
    /// The calls of libc on green stacks of the whole process, a line per function, if `TandemPatch` is installed.
    public let calls: [String]
    /// The number of green threads and tasks beyond the limit.
    public let omitted: Int

    /// The dump as text: a line per green thread, stack frame, task and function of libc. Looks up symbols, which takes milliseconds
    /// the first time.
    public var description: String {
        var text = ownText
        if !calls.isEmpty { text += "calls of libc on green stacks of this process:\n" }
        for line in calls { text += "  \(line)\n" }
        return text
    }

    /// The text without `calls`, which are the same in all dumps of a process.
    package var ownText: String {
        let images = ImageMap.capture()
        var known: [StackTrace: String] = [:]
        var text =
            "\(hubName)-\(hubIndex): \(statistics.greenThreads) green threads, \(statistics.tasks) tasks, \(statistics.waits) waits, "
            + "\(statistics.timers) timers, \(statistics.descriptors) descriptors\n"
        for thread in greenThreads {
            let stack = known[thread.stack] ?? thread.stack.names(images).map { "    \($0)\n" }.joined()
            known[thread.stack] = stack
            text += "green thread \(thread.number) \"\(thread.name)\" \(thread.state)\n\(stack)"
        }
        for task in tasks { text += "task \"\(task.name)\" \(task.state)\n" }
        for line in locals { text += "\(line)\n" }
        if omitted > 0 { text += "and \(omitted) more\n" }
        return text
    }
}
