internal import CTandem
internal import Glibc
internal import Synchronization

// @unchecked: `inbox`, `stopRequested`, `loopEnded` and the constants may be used from any thread; everything else belongs to the
// hub's own thread, and is reached only by calls on that thread.
/// One thread, one poller, and an executor: async jobs, green threads, timers and descriptors all run here, one at a time.
///
/// A hub runs on the thread that calls `Hub.run`, or on a thread of its `HubGroup`. Tasks run on it if they are started by
/// `spawn { }`, `GreenThread { }`, `hub.spawn { }` or `Task(executorPreference: hub)`; their structured child tasks and the async
/// functions that they call stay on it. `Task { }` and `Task.detached` leave the hub, because Swift gives them no executor
/// preference, unless the hub has taken over Swift's global executor (`HubConfiguration.takesOverGlobalExecutor`).
public final class Hub: TaskExecutor, @unchecked Sendable {
    /// The configuration that the hub was created with.
    public let configuration: HubConfiguration
    /// The hub's number in its group, from 0.
    public let index: Int

    let inbox: UnsafeMutablePointer<tandem_inbox>
    let stacks: UnsafeMutablePointer<tandem_stack_pool>
    let registrations: Registrations
    /// Settled when the loop has ended.
    let ended = Event<Void>()
    private let stopRequested = Atomic<Bool>(false)
    private let loopEnded = Atomic<Bool>(false)
    /// Whether tasks that are enqueued on Swift's global executor, on this hub's thread, run here. Set by `GlobalExecutor`.
    let runsGlobalTasks = Atomic<Bool>(false)
    @exclusivity(unchecked) nonisolated(unsafe) var executor: UnownedTaskExecutor!
    /// This hub as the serial executor of actors. Valid as long as the hub.
    @exclusivity(unchecked) public private(set) nonisolated(unsafe) var serialExecutor: HubExecutor!

    /// The time of a virtual clock, in nanoseconds; nil for the real clock.
    let virtualNow: UnsafeMutablePointer<UInt64>?
    @exclusivity(unchecked) var ready: ReadyQueues
    @exclusivity(unchecked) var waits: WaitPool
    @exclusivity(unchecked) var timers = TimerHeap()
    @exclusivity(unchecked) var firingLimit = FiringLimit()
    @exclusivity(unchecked) var turnEnds = TurnEndList()
    @exclusivity(unchecked) var tasks = TaskRegistry()
    @exclusivity(unchecked) var turns: UInt64 = 0
    /// The rest of the running job's share of the hub.
    @exclusivity(unchecked) var share = JobShare()
    /// Jobs that have run since the kernel was last asked.
    @exclusivity(unchecked) var jobsUnasked = 0
    /// A wait to wake when the running job has ended, behind all jobs that are ready then.
    @exclusivity(unchecked) var yielding: Wait?
    let pulse: UnsafeMutablePointer<tandem_pulse>
    @exclusivity(unchecked) var idleness = Idleness()
    @exclusivity(unchecked) var watch: HubWatch?
    private var locals: [ObjectIdentifier: AnyObject] = [:]

    /// Creates a hub that does not run yet. Throws `TandemError` `systemCall` if the kernel refuses a poller or an eventfd, or
    /// `invalidArgument` for an unknown name in `TANDEM_HUB_POLLER`.
    init(configuration: HubConfiguration, index: Int = 0) throws(TandemError) {
        self.configuration = configuration
        self.index = index
        try PollerKind.checkEnvironment()
        registrations = try Registrations(configuration.poller)
        virtualNow = configuration.clock == .virtual ? .allocate(capacity: 1) : nil
        virtualNow?.initialize(to: 1)
        ready = ReadyQueues(configuration.order)
        inbox = .allocate(capacity: 1)
        inbox.initialize(to: tandem_inbox())
        inbox.pointee.event_fd = registrations.poller.wakeDescriptor
        waits = WaitPool(inbox: inbox)
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
        ready.deallocate()
        virtualNow?.deallocate()
        inbox.deallocate()
        waits.deallocate()
    }

    /// The hub of the calling thread, or nil if it has none.
    public static var current: Hub? {
        guard let hub = tandem_current_hub() else { return nil }
        return Unmanaged<Hub>.fromOpaque(hub).takeUnretainedValue()
    }

    /// The hub of the calling thread. If it has none: a hub that has taken over the global executor, or else one of the shared
    /// group.
    package static var forCaller: Hub {
        if let current { return current }
        // A guest hub cannot run while its thread waits for it.
        if let hub = GlobalExecutor.shared.nextHub(), !hub.isOnItsThread { return hub }
        return HubGroup.shared.nextHub()
    }

    /// Whether the caller is on this hub's thread, also between the turns of a guest hub. Any thread.
    var isOnItsThread: Bool { tandem_pulse_is_of_this_thread(pulse) }

    /// Whether the caller is on this hub's thread. Any thread.
    public var isCurrent: Bool { tandem_current_hub() == Unmanaged.passUnretained(self).toOpaque() }

    /// The time on this hub's clock, since an arbitrary start. Must be used on the hub's thread.
    public var now: Duration {
        preconditionOnThread()
        return .nanoseconds(Int64(clamping: tandem_monotonic_nanoseconds()))
    }

    /// The time when this turn began, in nanoseconds on the hub's clock. Cheaper than reading the clock, and exact enough for
    /// checks per request: it is at most as old as the turn is long. Must be used on the hub's thread.
    package var turnTime: UInt64 { virtualNow?.pointee ?? pulse.pointee.turn_began }

    /// The present time on this hub's clock, in nanoseconds. Reads the clock. Must be used on the hub's thread.
    package var clockTime: UInt64 { tandem_monotonic_nanoseconds() }

    package func preconditionOnThread(_ function: StaticString = #function) {
        precondition(isCurrent, "\(function) must be called on its hub's thread")
    }

    // MARK: Executor

    /// Enqueues a job on the hub. Called by the Swift runtime, from any thread.
    public func enqueue(_ job: consuming ExecutorJob) { enqueue(UnownedJob(job), for: TANDEM_JOB_PREFERRED) }

    /// Enqueues a job for one of the executors that the hub stands for. Any thread.
    ///
    /// - Parameters:
    ///   - kind: The executor.
    ///   - delay: The delay after which the job may run, in nanoseconds.
    func enqueue(_ unowned: UnownedJob, for kind: UInt, after delay: UInt64 = 0) {
        let job = unsafeBitCast(unowned, to: Job.self)
        job.pointee.kind_and_delay = kind | UInt(min(delay, .max >> 2) << 2)
        if isCurrent {
            accept(job)
        } else if !tandem_inbox_put(inbox, job, false) {
            GlobalExecutor.shared.handOver(job)
        }
    }

    /// Makes a job ready, or waits for its delay first. Must be called on the hub's thread.
    func accept(_ job: Job) {
        guard job.delay > 0 else { return ready.append(job) }
        let wait = beginWait(deadline: .after(nanoseconds: job.delay), for: "Task.sleep")
        wait.pointee.began = tandem_real_nanoseconds()
        wait.pointee.is_delayed_job = true
        wait.pointee.job = job
    }

    // MARK: Stop

    /// Asks the loop to end. Any thread. The hub then cancels the tasks that were spawned, and the loop returns when they have
    /// ended or `stopGrace` is over.
    func requestStop() {
        stopRequested.store(true, ordering: .sequentiallyConsistent)
        tandem_inbox_wake(inbox)
    }

    var isStopping: Bool { stopRequested.load(ordering: .relaxed) }

    /// Whether the loop has ended, so that nothing runs or fires here any more. Any thread.
    var hasEnded: Bool { loopEnded.load(ordering: .relaxed) }

    func markEnded() { loopEnded.store(true, ordering: .relaxed) }

    // MARK: Locals

    /// Returns this hub's instance of `type`, and creates it with `make` on first use. The hub drops it on its own thread when it
    /// stops. Must be called on the hub's thread.
    ///
    /// - Parameters:
    ///   - type: The class of the instance; a hub has at most one instance per class.
    ///   - make: Creates the instance.
    /// - Throws: The error that `make` throws.
    public func local<Value: AnyObject>(_ type: Value.Type, make: () throws -> Value) rethrows -> Value {
        preconditionOnThread()
        if let value = locals[ObjectIdentifier(type)] { return unsafeDowncast(value, to: Value.self) }
        // Unmodified blocking code in `make` must not park: another green thread would make a second instance meanwhile.
        let fiber = tandem_current_fiber()
        fiber?.pointee.unpatched += 1
        defer { fiber?.pointee.unpatched -= 1 }
        let value = try make()
        locals[ObjectIdentifier(type)] = value
        return value
    }

    /// The lines that the hub's locals contribute to a dump.
    func dumpLocals(limit: Int) -> [String] {
        locals.values.flatMap { ($0 as? any DumpedLocal)?.dumpLines(limit: limit) ?? [] }
    }

    /// Drops the hub's locals. Their deinits run on the hub's thread.
    func dropLocals() {
        while !locals.isEmpty {
            // Cleared before they are released: a deinit may ask for another local.
            let dropped = locals
            locals = [:]
            withExtendedLifetime(dropped) {}
        }
    }

    // MARK: Counts

    /// The number of green threads that hold a stack on this hub. Must be used on the hub's thread.
    public var greenThreadCount: Int {
        preconditionOnThread()
        return Int(stacks.pointee.in_use)
    }

    /// The counters of this hub. Must be used on the hub's thread.
    public var statistics: HubStatistics {
        preconditionOnThread()
        return HubStatistics(
            greenThreads: Int(stacks.pointee.in_use), greenThreadsHighWater: Int(stacks.pointee.high_water),
            stacksMapped: Int(stacks.pointee.total), tasks: tasks.count, waits: waits.inUse, timers: timers.count,
            descriptors: registrations.count, turns: turns,
            jobs: pulse.pointee.jobs, bridgesToBlocking: pulse.pointee.started, bridgesToAsync: pulse.pointee.awaited,
            parks: pulse.pointee.parked, stalls: tandem_pulse_stalls(pulse), loopDelays: LoopDelays(pulse.pointee))
    }
}
