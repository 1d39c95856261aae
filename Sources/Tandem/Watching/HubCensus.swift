internal import CTandem

/// The green threads and tasks of a hub, counted by name and by what they wait for: made by `Hub.census()`.
public struct HubCensus: Sendable {
    /// The style of the code that waits.
    public enum Style: String, Sendable, CaseIterable {
        /// A task that has borrowed no stack.
        case async
        /// A green thread.
        case blocking
    }

    /// Green threads or tasks with one name that wait for the same thing.
    public struct Group: Sendable {
        /// The style of the code that waits.
        public let style: Style
        /// The name that they were started with, such as a route; "task" for tasks that the hub did not start.
        public let name: String
        /// What they wait for, such as "sleep" or "awaits async code: Queue.get"; "ready or running" if nothing.
        public let state: String
        /// The number of them.
        public fileprivate(set) var count: Int
        /// The time for which the first of them has waited, in whole milliseconds; nil if they do not wait.
        public fileprivate(set) var longest: Duration?
    }

    /// A green thread or task of a group.
    package struct Member: Sendable {
        /// The number of the green thread; nil for a task.
        package let thread: Int?
        /// The descriptor that it waits for; nil if none.
        package let descriptor: Int?
        /// The time for which it has waited, in whole milliseconds; nil if it does not wait.
        package let time: Duration?
    }

    /// The groups, the largest first.
    public let groups: [Group]
    /// The number of green threads.
    public let greenThreads: Int
    /// The number of tasks: those that wait on this hub without a stack, and those that this hub has started and that are ready or wait
    /// for something the hub cannot see.
    public let tasks: Int
    /// The number of green threads and tasks that are in no group, because there are 1,000 groups already.
    public let omitted: Int
    /// The time that the census took on the hub's thread.
    public fileprivate(set) var cost: Duration
}

extension Hub {
    /// Counts the green threads and tasks of this hub by name and by what they wait for. May be called from any task.
    ///
    /// Looks at 1,000 of them at a time, and lets other jobs run in between. It makes no strings and reads no stacks until the end: 10,000
    /// green threads take 2 to 3 milliseconds altogether. What changes meanwhile may be counted as it was or as it is.
    public func census() async -> HubCensus { await visit { await takeCensus() } }

    private func takeCensus() async -> HubCensus {
        var groups: [CensusEntry.Key: (count: Int, began: UInt64)] = [:]
        var omitted = 0
        let (greenThreads, tasks, cost) = await CensusWalk(self).forEach { entry in
            if let known = groups[entry.key] {
                groups[entry.key] = (known.count + 1, min(known.began, entry.began))
            } else if groups.count < 1_000 {
                groups[entry.key] = (1, entry.began)
            } else {
                omitted += 1
            }
            return true
        }
        // Without the task that takes the census.
        let isOwn = self.tasks.running[tandem_current_task()!] != nil
        let others = self.tasks.count - tasks.registered - (isOwn ? 1 : 0)
        return HubCensus(groups, greenThreads: greenThreads, tasks: tasks.waiting, others: max(0, others), omitted: omitted, cost)
    }

    /// Lists the members of a group, from number `first` on, at most `limit`; says whether there are more, and how long it took on
    /// the hub. May be called from any task.
    package func members(
        style: HubCensus.Style, name: String, state: String, from first: Int, atMost limit: Int
    ) async -> (members: [HubCensus.Member], hasMore: Bool, cost: Duration) {
        await visit { await listMembers(style, name, state, first, limit) }
    }

    private func listMembers(
        _ style: HubCensus.Style, _ name: String, _ state: String, _ first: Int, _ limit: Int
    ) async -> (members: [HubCensus.Member], hasMore: Bool, cost: Duration) {
        var known: [CensusEntry.Key: Bool] = [:]
        var position = 0
        var members: [HubCensus.Member] = []
        var hasMore = false
        let now = tandem_real_nanoseconds()
        let walk = await CensusWalk(self).forEach { entry in
            let isMember =
                known[entry.key] ?? (entry.key.style == style && entry.key.nameText == name && entry.key.state == state)
            known[entry.key] = isMember
            guard isMember else { return true }
            defer { position += 1 }
            guard position >= first else { return true }
            hasMore = members.count == limit
            if !hasMore { members.append(entry.member(now: now)) }
            return !hasMore
        }
        return (members, hasMore, walk.cost)
    }

    /// Describes one green thread, with its stack; nil if none in use has this number. Must be called on the hub's thread.
    package func greenThread(numbered number: Int) -> HubDump.GreenThreadEntry? {
        preconditionOnThread()
        return HubInspector(self).greenThread(numbered: number)
    }
}

/// A green thread or task that a census has found.
private struct CensusEntry {
    /// What the members of a group have in common. Names and reasons are compared by address; equal texts are merged at the end.
    struct Key: Hashable {
        let style: HubCensus.Style
        let name: UnsafePointer<CChar>?
        /// The call that waits; nil if none does.
        let what: UnsafePointer<CChar>?
        /// Whether it is async code that waits, which a green thread awaits.
        var isAwaiting = false

        var nameText: String { name.map { String(cString: $0) } ?? "task" }

        var state: String {
            let what = what.map { String(cString: $0) }
            guard isAwaiting else { return what ?? "ready or running" }
            return what.map { "awaits async code: \($0)" } ?? "awaits async code"
        }
    }

    let key: Key
    /// The number of the green thread; nil for a task.
    let thread: Int?
    let descriptor: CInt
    /// The time at which the wait began, in nanoseconds of CLOCK_MONOTONIC; `UInt64.max` without a wait.
    let began: UInt64

    init(_ key: Key, fiber: Fiber?, _ wait: Wait?) {
        self.key = key
        thread = fiber.map { Int($0.pointee.number) }
        descriptor = wait?.pointee.detail ?? -1
        began = wait?.pointee.began ?? .max
    }

    func member(now: UInt64) -> HubCensus.Member {
        HubCensus.Member(
            thread: thread, descriptor: descriptor < 0 ? nil : Int(descriptor), time: HubCensus.wholeMilliseconds(began, now))
    }
}

/// A walk over what waits on a hub, in steps of 1,000 records, between which other jobs run.
private struct CensusWalk {
    private static let step = 1_000

    private let hub: Hub
    /// The tasks of the green threads that were found.
    private var owners: Set<UnsafeRawPointer> = []
    /// The green threads that await async code and whose wait was not found yet, by task.
    private var awaiting: [UnsafeRawPointer: Fiber] = [:]
    private var greenThreads = 0
    private var tasks = (waiting: 0, registered: 0)
    private var cost: UInt64 = 0
    private var isDone = false

    init(_ hub: Hub) { self.hub = hub }

    /// Calls `body` with each green thread and each task that waits, until it returns false. Returns the number of green threads, of tasks
    /// that wait, and of those of both that the hub has started; and the time it took on the hub's thread.
    func forEach(
        _ body: (CensusEntry) -> Bool
    ) async -> (greenThreads: Int, tasks: (waiting: Int, registered: Int), cost: Duration) {
        var walk = self
        await walk.run(body)
        return (walk.greenThreads, walk.tasks, .nanoseconds(Int64(clamping: walk.cost)))
    }

    private mutating func run(_ body: (CensusEntry) -> Bool) async {
        owners.reserveCapacity(hub.stacks.inUse)
        var fibers = hub.stacks.walk
        while !isDone, measured({ walk in fibers.next(atLeast: Self.step) { walk.visit($0, body) } }) { await Task.yield() }
        var slab: Int? = 0
        while let first = slab, !isDone {
            await Task.yield()
            slab = measured { walk in
                walk.hub.waits.forEachCall(from: first, atLeast: Self.step) { walk.visit($0, body) }
            }
        }
        // What these wait for is not known to the hub. Others have ended since.
        for (task, fiber) in awaiting where fiber.pointee.task == task && fiber.pointee.signal == .awaiting {
            emit(CensusEntry(Self.key(fiber, nil, isAwaiting: true), fiber: fiber, nil), body)
        }
    }

    private mutating func measured<Result>(_ step: (inout Self) -> Result) -> Result {
        let began = tandem_real_nanoseconds()
        defer { cost += tandem_real_nanoseconds() - began }
        return step(&self)
    }

    private mutating func visit(_ fiber: Fiber, _ body: (CensusEntry) -> Bool) {
        guard let task = fiber.pointee.task else { return }
        greenThreads += 1
        owners.insert(task)
        if hub.tasks.running[task] != nil { tasks.registered += 1 }
        guard fiber.pointee.signal != .awaiting else {
            awaiting[task] = fiber
            return
        }
        let wait = fiber.pointee.signal == .parked ? fiber.pointee.waiting_on : nil
        let open = wait.flatMap { $0.pointee.woken_by == 0 && $0.pointee.what != nil ? $0 : nil }
        emit(CensusEntry(Self.key(fiber, open, isAwaiting: false), fiber: fiber, open), body)
    }

    private mutating func visit(_ wait: Wait, _ body: (CensusEntry) -> Bool) {
        let task = wait.pointee.task
        if let task, let fiber = awaiting.removeValue(forKey: task) {
            // It may have ended since, and another green thread have its stack.
            guard fiber.pointee.task == task else { return }
            return emit(CensusEntry(Self.key(fiber, wait, isAwaiting: true), fiber: fiber, wait), body)
        }
        if wait.pointee.woken_by != 0 { return }
        if let task, owners.contains(task) { return }
        let entry = task.flatMap { hub.tasks.running[$0] }
        if entry != nil { tasks.registered += 1 }
        tasks.waiting += 1
        let key = CensusEntry.Key(style: .async, name: entry?.name.pointer, what: wait.pointee.what)
        emit(CensusEntry(key, fiber: nil, wait), body)
    }

    private mutating func emit(_ entry: CensusEntry, _ body: (CensusEntry) -> Bool) {
        if !isDone { isDone = !body(entry) }
    }

    private static func key(_ fiber: Fiber, _ wait: Wait?, isAwaiting: Bool) -> CensusEntry.Key {
        CensusEntry.Key(style: .blocking, name: fiber.pointee.name, what: wait?.pointee.what, isAwaiting: isAwaiting)
    }
}

extension HubCensus {
    fileprivate init(
        _ entries: [CensusEntry.Key: (count: Int, began: UInt64)], greenThreads: Int, tasks: Int, others: Int, omitted: Int,
        _ cost: Duration
    ) {
        let began = tandem_real_nanoseconds()
        var groups: [[String]: Group] = [:]
        for (key, value) in entries {
            let (name, state) = (key.nameText, key.state)
            var group =
                groups[[key.style.rawValue, name, state]]
                ?? Group(style: key.style, name: name, state: state, count: 0, longest: nil)
            group.count += value.count
            if let time = Self.wholeMilliseconds(value.began, began) { group.longest = max(group.longest ?? .zero, time) }
            groups[[key.style.rawValue, name, state]] = group
        }
        var all = Array(groups.values)
        if others > 0 {
            let state = "ready, or waits for a child task, an actor, or another executor"
            all.append(Group(style: .async, name: "task", state: state, count: others, longest: nil))
        }
        self.groups = all.sorted { ($1.count, $0.name, $0.state) < ($0.count, $1.name, $1.state) }
        (self.greenThreads, self.tasks, self.omitted) = (greenThreads, tasks + others, omitted)
        self.cost = cost + .nanoseconds(Int64(clamping: tandem_real_nanoseconds() - began))
    }

    /// The time since a wait began, which is known only to the turn of the loop; nil for a wait that has not begun.
    fileprivate static func wholeMilliseconds(_ began: UInt64, _ now: UInt64) -> Duration? {
        began == .max ? nil : .milliseconds(Int64(clamping: (now - min(now, began)) / 1_000_000))
    }
}
