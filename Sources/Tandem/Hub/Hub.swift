internal import CTandem
internal import Glibc
internal import Synchronization

// @unchecked: `inbox`, `stopRequested` and the constants may be used from any thread; everything else belongs to the
// hub's own thread, and is reached through calls that only that thread makes.
/// One thread, one poller, and an executor: async jobs, green threads, timers and descriptors all run here, one
/// at a time.
///
/// A hub runs on the thread that calls `Hub.run`, or on a thread of its `HubGroup`. Tasks get onto it by `spawn { }`,
/// `GreenThread { }`, `hub.spawn { }`, or `Task(executorPreference: hub)`; structured child tasks and async functions
/// stay on it. Plain `Task { }` and `Task.detached` do not: Swift gives them no preference.
public final class Hub: TaskExecutor, @unchecked Sendable {
    static let waitsPerSlab = 128

    /// How it was set up.
    public let configuration: HubConfiguration
    /// Its number in its group, from 0.
    public let index: Int

    let inbox: UnsafeMutablePointer<tandem_inbox>
    let stacks: UnsafeMutablePointer<tandem_stack_pool>
    let registrations: Registrations
    /// Happens when the loop has ended.
    let ended = Event<Void>()
    // What timers, the kernel and other threads have woken runs before what is ready anyway.
    let woken: UnsafeMutablePointer<tandem_job_queue>
    let ready: UnsafeMutablePointer<tandem_job_queue>
    private let stopRequested = Atomic<Bool>(false)
    private let loopEnded = Atomic<Bool>(false)
    @exclusivity(unchecked) nonisolated(unsafe) var executor: UnownedTaskExecutor!
    /// This hub as the executor of actors. Valid as long as the hub.
    @exclusivity(unchecked) public private(set) nonisolated(unsafe) var serialExecutor: HubExecutor!

    /// The time of a hub with a clock of its own.
    let virtualNow: UnsafeMutablePointer<UInt64>?
    /// Where the order comes from in which ready jobs run, when it is not that of their coming.
    @exclusivity(unchecked) var order: SeededOrder?
    @exclusivity(unchecked) var timers = TimerHeap()
    @exclusivity(unchecked) var firingLimit = FiringLimit()
    @exclusivity(unchecked) var turnEnds = TurnEndList()
    @exclusivity(unchecked) var freeWaits: Wait?
    @exclusivity(unchecked) var waitsInUse = 0
    @exclusivity(unchecked) var waitSlabs: [Wait] = []
    @exclusivity(unchecked) var tasks = TaskRegistry()
    @exclusivity(unchecked) var turns: UInt64 = 0
    /// What the running job may still do without waiting.
    @exclusivity(unchecked) var share = JobShare()
    /// Jobs run since the kernel was asked.
    @exclusivity(unchecked) var jobsUnasked = 0
    /// To wake when the running job has ended, behind all that is ready then.
    @exclusivity(unchecked) var yielding: Wait?
    /// Whether what becomes ready takes its place behind all that is: so when a job makes it ready.
    @exclusivity(unchecked) var appendsToReady = true
    let pulse: UnsafeMutablePointer<tandem_pulse>
    @exclusivity(unchecked) var idleness = Idleness()
    @exclusivity(unchecked) var watch: HubWatch?
    private var locals: [ObjectIdentifier: AnyObject] = [:]

    /// Creates a hub that does not run yet. Throws `TandemError` when the kernel refuses an epoll instance or eventfd.
    init(configuration: HubConfiguration, index: Int = 0) throws(TandemError) {
        self.configuration = configuration
        self.index = index
        try PollerKind.checkEnvironment()
        registrations = try Registrations(configuration.poller)
        virtualNow = configuration.clock == .virtual ? .allocate(capacity: 1) : nil
        virtualNow?.initialize(to: 1)
        if case .seeded(let seed) = configuration.order { order = SeededOrder(seed: seed) }
        inbox = .allocate(capacity: 1)
        inbox.initialize(to: tandem_inbox())
        inbox.pointee.event_fd = registrations.poller.wakeDescriptor
        woken = .allocate(capacity: 2)
        woken.initialize(repeating: tandem_job_queue(), count: 2)
        ready = woken + 1
        stacks = .allocate(capacity: 1)
        tandem_stack_pool_init(stacks, max(configuration.stackSize, 16 * 1024), greenEntry)
        pulse = .allocate(capacity: 1)
        pulse.initialize(to: tandem_pulse())
        executor = asUnownedTaskExecutor()
        serialExecutor = HubExecutor(hub: self)
    }

    deinit {
        tandem_stack_pool_destroy(stacks)
        stacks.deallocate()
        pulse.deallocate()
        woken.deallocate()
        virtualNow?.deallocate()
        inbox.deallocate()
        for slab in waitSlabs { slab.deallocate() }
    }

    /// The hub whose thread this is, if any.
    public static var current: Hub? {
        guard let hub = tandem_current_hub() else { return nil }
        return Unmanaged<Hub>.fromOpaque(hub).takeUnretainedValue()
    }

    /// Whether the caller is on this hub's thread.
    public var isCurrent: Bool { tandem_current_hub() == Unmanaged.passUnretained(self).toOpaque() }

    /// What time it is on this hub's clock, from a start that means nothing. Only on the hub's thread.
    public var now: Duration {
        preconditionOnThread()
        return .nanoseconds(Int64(clamping: tandem_monotonic_nanoseconds()))
    }

    /// When this turn began, in nanoseconds on the hub's clock: the time that is good enough for what is looked at once a
    /// request, without reading the clock. At most as old as the turn is long. Only on the hub's thread.
    package var turnTime: UInt64 { virtualNow?.pointee ?? pulse.pointee.turn_began }

    /// The time on this hub's clock, read anew, in nanoseconds. Only on the hub's thread.
    package var clockTime: UInt64 { tandem_monotonic_nanoseconds() }

    func preconditionOnThread(_ function: StaticString = #function) {
        precondition(isCurrent, "\(function) must be called on its hub's thread")
    }

    // MARK: Executor

    /// Puts a job on the hub. Called by the Swift runtime, from any thread.
    public func enqueue(_ job: consuming ExecutorJob) { enqueue(UnownedJob(job), isolated: false) }

    func enqueue(_ unowned: UnownedJob, isolated: Bool) {
        let job = unsafeBitCast(unowned, to: UnsafeMutablePointer<tandem_job>.self)
        job.pointee.is_isolated = isolated ? 1 : 0
        if isCurrent {
            append(job)
        } else if !tandem_inbox_put(inbox, job, false) {
            handOn(job)
        }
    }

    func append(_ job: UnsafeMutablePointer<tandem_job>) { tandem_job_queue_append(appendsToReady ? ready : woken, job) }

    /// The hub has stopped. A task that outlived it ends on Swift's own pool rather than never.
    func handOn(_ job: UnsafeMutablePointer<tandem_job>) {
        (globalConcurrentExecutor as any TaskExecutor).enqueue(unsafeBitCast(job, to: UnownedJob.self))
    }

    // MARK: Stop

    /// Asks the loop to end, from any thread: what was spawned is cancelled, and the loop returns when it has unwound or
    /// `stopGrace` is over.
    func requestStop() {
        stopRequested.store(true, ordering: .sequentiallyConsistent)
        tandem_inbox_wake(inbox)
    }

    var isStopping: Bool { stopRequested.load(ordering: .relaxed) }

    /// Nothing runs or fires here any more. Any thread.
    var hasEnded: Bool { loopEnded.load(ordering: .relaxed) }

    func markEnded() { loopEnded.store(true, ordering: .relaxed) }

    // MARK: Locals

    /// A value kept once a hub, made when first asked for. Only on the hub's thread.
    public func local<Value: AnyObject>(_ type: Value.Type, make: () throws -> Value) rethrows -> Value {
        preconditionOnThread()
        if let value = locals[ObjectIdentifier(type)] { return unsafeDowncast(value, to: Value.self) }
        let value = try make()
        locals[ObjectIdentifier(type)] = value
        return value
    }

    /// What the hub's locals say in a dump.
    func dumpLocals(limit: Int) -> [String] {
        locals.values.flatMap { ($0 as? any DumpedLocal)?.dumpLines(limit: limit) ?? [] }
    }

    /// Drops the hub's locals; their deinits run on the hub's thread.
    func dropLocals() {
        while !locals.isEmpty {
            // They go when the hub has let them go: a deinit may ask for another local.
            let dropped = locals
            locals = [:]
            withExtendedLifetime(dropped) {}
        }
    }

    // MARK: Counts

    /// Green threads alive on this hub. Only on the hub's thread.
    public var greenThreadCount: Int {
        preconditionOnThread()
        return Int(stacks.pointee.in_use)
    }

    /// What lives on this hub now. Only on the hub's thread.
    public var statistics: HubStatistics {
        preconditionOnThread()
        return HubStatistics(
            greenThreads: Int(stacks.pointee.in_use), greenThreadsHighWater: Int(stacks.pointee.high_water),
            stacksMapped: Int(stacks.pointee.total), tasks: tasks.count, waits: waitsInUse, timers: timers.count,
            descriptors: registrations.count, turns: turns,
            jobs: pulse.pointee.jobs, bridgesToBlocking: pulse.pointee.started, bridgesToAsync: pulse.pointee.awaited,
            parks: pulse.pointee.parked, stalls: tandem_pulse_stalls(pulse), loopDelays: LoopDelays(pulse.pointee))
    }
}
