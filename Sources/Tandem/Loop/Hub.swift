internal import CTandem
internal import Glibc
internal import Synchronization

// @unchecked: any thread may use `inbox`, `pulse` (`isOnItsThread`, the watchdog), `waits.isClosed`, the atomics, `ended` and the
// constants. Everything else belongs to the hub's own thread, and is reached only by calls on that thread.
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
    /// This hub as the serial executor of actors. Valid as long as the hub.
    @exclusivity(unchecked) public private(set) nonisolated(unsafe) var serialExecutor: HubExecutor!

    // The parts, each with its own state.
    let clock: LoopClock
    let waits: Waits
    let registrations: Registrations
    let stacks: StackPool
    let share = JobShare()
    let turnEnds = TurnEndList()
    let locals = HubLocals()
    let bridges: BridgeSites
    @exclusivity(unchecked) var tasks = TaskRegistry()
    /// The data that the hub records about itself: counters, the times of its turns, and the state that the watchdog reads.
    let pulse: UnsafeMutablePointer<tandem_pulse>
    let watch: HubWatch
    let recorder: FlightRecorder
    let loop: HubLoop
    private let ready: ReadyJobs
    private let inbox: UnsafeMutablePointer<tandem_inbox>

    /// Settled when the loop has ended.
    let ended = Event<Void>()
    private let stopRequested = Atomic<Bool>(false)
    /// Whether tasks that are enqueued on Swift's global executor, on this hub's thread, run here. Set by `GlobalExecutor`.
    let runsGlobalTasks = Atomic<Bool>(false)
    /// Whether other hubs run such tasks, too. Set by `GlobalExecutor`.
    let sharesGlobalTasks = Atomic<Bool>(false)

    /// Creates a hub that does not run yet. Throws `TandemError` `systemCall` if the kernel refuses a poller or an eventfd, or
    /// `invalidArgument` for an unknown name in `TANDEM_HUB_POLLER`.
    init(configuration: HubConfiguration, index: Int = 0) throws(TandemError) {
        self.configuration = configuration
        self.index = index
        try PollerKind.checkEnvironment()
        registrations = try Registrations(configuration.poller)
        pulse = .allocate(capacity: 1)
        pulse.initialize(to: tandem_pulse())
        clock = LoopClock(configuration.clock, pulse)
        inbox = .allocate(capacity: 1)
        inbox.initialize(to: tandem_inbox())
        inbox.pointee.event_fd = registrations.poller.wakeDescriptor
        ready = ReadyJobs(configuration.order)
        waits = Waits(inbox: inbox, ready: ready, clock: clock)
        stacks = StackPool(stackSize: configuration.stackSize)
        bridges = BridgeSites(isOn: configuration.countsBridges)
        recorder = FlightRecorder(isAlwaysOn: configuration.recordsAlways)
        watch = HubWatch(pulse, recorder, configuration, index: index)
        loop = HubLoop(
            budget: configuration.jobsPerTurn, pulse, recorder.ring, inbox, clock, ready, waits, registrations, share, turnEnds,
            Idleness(configuration, pulse, stacks, waits, registrations))
        serialExecutor = HubExecutor(hub: self)
        loop.attach(to: self)
    }

    deinit {
        stacks.deallocate()
        ready.deallocate()
        waits.deallocate()
        pulse.deallocate()
        clock.deallocate()
        bridges.deallocate()
        recorder.deallocate()
        inbox.deallocate()
    }

    // MARK: The current hub

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

    package func preconditionOnThread(_ function: StaticString = #function) {
        precondition(isCurrent, "\(function) must be called on its hub's thread")
    }

    // MARK: Clock

    /// The time on this hub's clock, since an arbitrary start. Must be used on the hub's thread.
    public var now: Duration {
        preconditionOnThread()
        return .nanoseconds(Int64(clamping: clock.now))
    }

    /// The time when this turn began, in nanoseconds on the hub's clock. Cheaper than reading the clock, and exact enough for
    /// checks per request: it is at most as old as the turn is long. Must be used on the hub's thread.
    package var turnTime: UInt64 { clock.turnTime }

    /// The present time on this hub's clock, in nanoseconds. Reads the clock. Must be used on the hub's thread.
    package var clockTime: UInt64 { clock.now }

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
            loop.accept(job)
        } else if !tandem_inbox_put(inbox, job, false) {
            GlobalExecutor.shared.handOver(job)
        }
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
    var hasEnded: Bool { waits.isClosed }

    // MARK: Counts

    /// The number of green threads that hold a stack on this hub. Must be used on the hub's thread.
    public var greenThreadCount: Int {
        preconditionOnThread()
        return stacks.inUse
    }

    /// The counters of this hub. Must be used on the hub's thread.
    public var statistics: HubStatistics {
        preconditionOnThread()
        return HubStatistics(
            greenThreads: stacks.inUse, greenThreadsHighWater: stacks.highWater, stacksMapped: stacks.mapped, tasks: tasks.count,
            waits: waits.count, timers: waits.timerCount, descriptors: registrations.count,
            readyJobs: Int(clamping: ready.count), turns: loop.turns,
            jobs: pulse.pointee.jobs, bridgesToBlocking: pulse.pointee.started, bridgesToAsync: pulse.pointee.awaited,
            parks: pulse.pointee.parked, stalls: tandem_pulse_stalls(pulse), loopDelays: LoopDelays(pulse.pointee))
    }
}
