internal import CTandem

extension Hub {
    /// Lists every green thread with its stack and what it waits for, and every task that waits. Must be called on the hub's
    /// thread.
    ///
    /// Takes some microseconds per green thread and does not affect them. Text with the names of functions is made later, by
    /// `description`, on any thread.
    ///
    /// - Parameter limit: The maximum number of green threads, and of tasks, to list.
    public func dump(limit: Int = 1000) -> HubDump {
        preconditionOnThread()
        return HubInspector(self).dump(limit: limit)
    }
}

/// Finds out what the tasks and green threads of a hub do. Must be used on the hub's thread. Valid until the hub
/// runs another job.
struct HubInspector {
    private let hub: Hub
    private let fibers: [Fiber]
    /// The fibers that run now, each with the fiber that runs on top of it. The innermost fiber maps to itself.
    private let running: [Fiber: Fiber]

    init(_ hub: Hub) {
        self.hub = hub
        fibers = hub.stacks.fibers
        running = HubInspector.runningFibers()
    }

    private static func runningFibers() -> [Fiber: Fiber] {
        var running: [Fiber: Fiber] = [:]
        var inner = tandem_current_fiber()
        var fiber = inner
        while let current = fiber {
            running[current] = inner
            inner = current
            fiber = current.pointee.resumer
        }
        return running
    }

    /// The names of the tasks that the hub has started.
    private var names: [UnsafeRawPointer: String] { hub.tasks.running.mapValues { "\($0.name)" } }

    /// Returns what `Hub.dump` does.
    func dump(limit: Int) -> HubDump {
        let names = names
        let owned = Set(fibers.compactMap { $0.pointee.task })
        var awaited: [UnsafeRawPointer: WaitSnapshot] = [:]
        var waiting: [HubDump.TaskEntry] = []
        var omitted = max(0, fibers.count - limit)
        var seen: Set<UnsafeRawPointer> = owned
        for wait in hub.waits.snapshot() {
            if let task = wait.task, owned.contains(task) {
                awaited[task] = wait
            } else {
                if let task = wait.task { seen.insert(task) }
                if waiting.count == limit { omitted += 1; continue }
                waiting.append(.init(name: wait.task.flatMap { names[$0] } ?? "task", state: "waits: \(wait.description)"))
            }
        }
        // A task may also wait for something that the hub does not know of.
        for (task, name) in names where !seen.contains(task) && task != tandem_current_task() {
            if waiting.count == limit { omitted += 1; continue }
            waiting.append(.init(name: name, state: "is ready, or waits for a child task, an actor, or another executor"))
        }
        let threads = fibers.prefix(limit).map { fiber in entry(fiber, fiber.pointee.task.flatMap { awaited[$0] }) }
        return HubDump(
            hubName: hub.configuration.name, hubIndex: hub.index, statistics: hub.statistics, greenThreads: threads,
            tasks: waiting,
            locals: hub.locals.dumpLines(limit: limit), calls: ForeignWait.callLines(), omitted: omitted)
    }

    /// Returns what `Hub.greenThread(numbered:)` does.
    func greenThread(numbered number: Int) -> HubDump.GreenThreadEntry? {
        guard let fiber = hub.stacks.fiber(numbered: number) else { return nil }
        let wait = hub.waits.snapshot { $0.pointee.task == fiber.pointee.task }.first
        return entry(fiber, wait)
    }

    private func entry(_ fiber: Fiber, _ wait: WaitSnapshot?) -> HubDump.GreenThreadEntry {
        HubDump.GreenThreadEntry(
            number: Int(fiber.pointee.number), name: fiber.pointee.name.map { String(cString: $0) } ?? "",
            state: running[fiber] != nil ? "runs" : state(fiber, wait), stack: stack(fiber))
    }

    /// Returns the names of these tasks with their kind, for messages.
    func owners(of tasks: Set<UnsafeRawPointer>) -> [UnsafeRawPointer: String] {
        var owners = names.filter { tasks.contains($0.key) }.mapValues { "task \"\($0)\"" }
        for fiber in fibers {
            guard let task = fiber.pointee.task, tasks.contains(task), let name = fiber.pointee.name else { continue }
            owners[task] = "green thread \(fiber.pointee.number) \"\(String(cString: name))\""
        }
        return owners
    }

    private func state(_ fiber: Fiber, _ wait: WaitSnapshot?) -> String {
        let locks = fiber.pointee.locks
        let held = locks == 0 ? "" : locks == 1 ? ", with a mutex locked" : ", with \(locks) mutexes locked"
        return doing(fiber, wait) + held
    }

    private func doing(_ fiber: Fiber, _ wait: WaitSnapshot?) -> String {
        if fiber.pointee.signal == .awaiting {
            if fiber.pointee.task == tandem_current_task() { return "awaits async code, which runs" }
            return "awaits async code" + (wait.map { ", which waits: \($0.description)" } ?? "")
        }
        guard let wait, fiber.pointee.waiting_on?.pointee.woken_by == 0 else { return "is ready to run" }
        return "waits: \(wait.description)"
    }

    private func stack(_ fiber: Fiber) -> StackTrace {
        let limit = 64
        return withUnsafeTemporaryAllocation(of: UInt.self, capacity: limit) { buffer in
            let count =
                switch running[fiber] {
                case fiber: tandem_trace_here(buffer.baseAddress!, limit)
                case let inner?: tandem_trace_suspended(inner.pointee.host_sp!, buffer.baseAddress!, limit)
                case nil: tandem_trace_suspended(fiber.pointee.sp!, buffer.baseAddress!, limit)
                }
            return StackTrace(buffer[..<count], startsWithCounter: false)
        }
    }
}
