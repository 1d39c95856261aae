internal import Runtime

/// A hub's local that says in a dump what it keeps.
package protocol DumpedLocal: AnyObject {
    /// A line for each thing that it keeps, at most `limit`. On the hub's thread.
    func dumpLines(limit: Int) -> [String]
}

/// What everybody on a hub was doing at one moment: made by `Hub.dump`, and readable as text.
public struct HubDump: Sendable, CustomStringConvertible {
    /// A green thread: a task that has borrowed a stack.
    public struct GreenThreadEntry: Sendable {
        /// The number of its stack; see `GreenThreadIdentity.current`.
        public let number: Int
        /// The name it was started with.
        public let name: String
        /// Whether it runs, or what it waits for.
        public let state: String
        /// Where it is.
        public let stack: StackTrace
    }

    /// A task that waits and has borrowed no stack.
    public struct TaskEntry: Sendable {
        /// The name that `Hub.spawn` was given; "task" for one that was started otherwise.
        public let name: String
        /// What it waits for.
        public let state: String
    }

    /// `HubConfiguration.name`, and the hub's number in its group.
    public let hubName: String, hubIndex: Int
    /// The hub's counts.
    public let statistics: HubStatistics
    /// The green threads, as many as were asked for.
    public let greenThreads: [GreenThreadEntry]
    /// The tasks that wait, as many as were asked for.
    public let tasks: [TaskEntry]
    /// What libraries keep on the hub, a line each: the client's upstreams with their connections.
    public let locals: [String]
    /// How many green threads and tasks were left out.
    public let omitted: Int

    /// Everything, a line for each green thread, frame and task. Looks up symbols: the first time takes
    /// milliseconds.
    public var description: String {
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
