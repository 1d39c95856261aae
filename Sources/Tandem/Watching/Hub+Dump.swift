internal import CTandem

/// A call that was waiting when the snapshot was taken.
struct WaitSnapshot {
    let task: UnsafeRawPointer?
    /// The event that the call waits for, as passed to `beginWait`.
    let what: String
    let detail: CInt
    let time: Duration
    let isWokenByThread: Bool

    /// The wait as text: "Queue.get, for 1.5 seconds", or "descriptor readable (fd 7), for 0.001 seconds".
    var description: String { "\(what)\(detail < 0 ? "" : " (fd \(detail))"), for \(time)" }

    init(_ wait: tandem_wait, now: UInt64) {
        task = wait.task
        what = String(cString: wait.what!)
        detail = wait.detail
        isWokenByThread = wait.is_woken_by_thread
        // Whole milliseconds: the start is known only to the turn of the loop.
        time = .milliseconds(Int64(clamping: (now - min(now, wait.began)) / 1_000_000))
    }
}

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
        let fibers = lentFibers()
        let owned = Set(fibers.compactMap { $0.pointee.task })
        var awaited: [UnsafeRawPointer: WaitSnapshot] = [:]
        var waiting: [HubDump.TaskEntry] = []
        var omitted = max(0, fibers.count - limit)
        let names = taskNames()
        var seen: Set<UnsafeRawPointer> = owned
        for wait in waitsNow() {
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
        let running = runningFibers()
        let threads = fibers.prefix(limit).map { fiber in
            HubDump.GreenThreadEntry(
                number: Int(fiber.pointee.number), name: fiber.pointee.name.map { String(cString: $0) } ?? "",
                state: running[fiber] != nil ? "runs" : state(fiber, fiber.pointee.task.flatMap { awaited[$0] }),
                stack: stack(fiber, running))
        }
        return HubDump(
            hubName: configuration.name, hubIndex: index, statistics: statistics, greenThreads: threads, tasks: waiting,
            locals: dumpLocals(limit: limit), calls: ForeignWait.callLines(), omitted: omitted)
    }

    /// The calls that wait now. A `HubTimer` is not a call.
    func waitsNow() -> [WaitSnapshot] {
        let now = tandem_real_nanoseconds()
        var found: [WaitSnapshot] = []
        waits.forEachCall { found.append(WaitSnapshot($0.pointee, now: now)) }
        return found
    }

    /// The tasks' names with their kind, for messages.
    func owners(of tasks: Set<UnsafeRawPointer>) -> [UnsafeRawPointer: String] {
        var owners = taskNames().filter { tasks.contains($0.key) }.mapValues { "task \"\($0)\"" }
        for fiber in lentFibers() {
            guard let task = fiber.pointee.task, tasks.contains(task), let name = fiber.pointee.name else { continue }
            owners[task] = "green thread \(fiber.pointee.number) \"\(String(cString: name))\""
        }
        return owners
    }

    private func taskNames() -> [UnsafeRawPointer: String] {
        tasks.running.mapValues { "\($0.name)" }
    }

    private func lentFibers() -> [Fiber] {
        let count = Int(stacks.pointee.in_use)
        return withUnsafeTemporaryAllocation(of: Fiber?.self, capacity: count) { buffer in
            let found = tandem_stack_pool_lent(stacks, buffer.baseAddress!, count)
            return buffer[..<found].compactMap { $0 }
        }
    }

    /// The fibers that run now, each with the fiber that runs on top of it. The innermost fiber maps to itself.
    private func runningFibers() -> [Fiber: Fiber] {
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

    private func stack(_ fiber: Fiber, _ running: [Fiber: Fiber]) -> StackTrace {
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
