internal import CTandem
internal import Glibc
internal import Synchronization

// @unchecked: `inbox`, `stopRequested` and the constants may be used from any thread; everything else belongs to the
// hub's own thread, and is reached through calls that only that thread makes.
/// One thread, one epoll instance, and an executor: async jobs, green threads, timers and descriptors all run here, one
/// at a time.
///
/// A hub runs on the thread that calls `Hub.run`, or on a thread of its `HubGroup`. Tasks get onto it by
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
    let poller: Poller
    /// Happens when the loop has ended.
    let ended = Event<Void>()
    private let ready: UnsafeMutablePointer<tandem_job_queue>
    private let stopRequested = Atomic<Bool>(false)
    private nonisolated(unsafe) var executor: UnownedTaskExecutor!
    /// This hub as the executor of actors. Valid as long as the hub.
    public private(set) nonisolated(unsafe) var serialExecutor: HubExecutor!

    @exclusivity(unchecked) var timers = TimerHeap()
    @exclusivity(unchecked) var freeWaits: Wait?
    @exclusivity(unchecked) var waitsInUse = 0
    @exclusivity(unchecked) var waitSlabs: [Wait] = []
    @exclusivity(unchecked) var tasks = TaskRegistry()
    @exclusivity(unchecked) private var turns: UInt64 = 0
    let pulse: UnsafeMutablePointer<tandem_pulse>
    @exclusivity(unchecked) var idleness = Idleness()
    private var locals: [ObjectIdentifier: AnyObject] = [:]

    /// Creates a hub that does not run yet. Throws `TandemError` when the kernel refuses an epoll instance or eventfd.
    init(configuration: HubConfiguration, index: Int = 0) throws(TandemError) {
        self.configuration = configuration
        self.index = index
        poller = try Poller()
        inbox = .allocate(capacity: 1)
        inbox.initialize(to: tandem_inbox())
        inbox.pointee.event_fd = poller.wakeDescriptor
        ready = .allocate(capacity: 1)
        ready.initialize(to: tandem_job_queue())
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
            tandem_job_queue_append(ready, job)
        } else if !tandem_inbox_put(inbox, job, false) {
            handOn(job)
        }
    }

    private func run(_ job: UnsafeMutablePointer<tandem_job>) {
        tandem_pulse_job(pulse)
        let isolated = job.pointee.is_isolated != 0
        let unowned = unsafeBitCast(job, to: UnownedJob.self)
        if isolated {
            unowned.runSynchronously(isolatedTo: serialExecutor.asUnownedSerialExecutor(), taskExecutor: executor)
        } else {
            unowned.runSynchronously(on: executor)
        }
    }

    /// The hub has stopped. A task that outlived it ends on Swift's own pool rather than never.
    private func handOn(_ job: UnsafeMutablePointer<tandem_job>) {
        (globalConcurrentExecutor as any TaskExecutor).enqueue(unsafeBitCast(job, to: UnownedJob.self))
    }

    // MARK: Loop

    /// Asks the loop to end, from any thread: what was spawned is cancelled, and the loop returns when it has unwound or
    /// `stopGrace` is over.
    func requestStop() {
        stopRequested.store(true, ordering: .sequentiallyConsistent)
        tandem_inbox_wake(inbox)
    }

    var isStopping: Bool { stopRequested.load(ordering: .relaxed) }

    /// Makes the calling thread this hub's, until `requestStop`.
    func runLoop() {
        precondition(tandem_current_hub() == nil, "this thread already runs a hub")
        tandem_set_current_hub(Unmanaged.passUnretained(self).toOpaque())
        let failed = tandem_overflow_watch_thread()
        precondition(failed == 0, "sigaltstack: errno \(failed)")
        tandem_pulse_enter(pulse)
        let watch = HubWatch(self)
        while !isStopping { turn() }
        unwind()
        dropLocals()
        watch?.end()
        tandem_overflow_unwatch_thread()
        tandem_set_current_hub(nil)
        takeIn(tandem_inbox_close(inbox))
        while let job = tandem_job_queue_pop(ready) { handOn(job) }
        ended.send(())
    }

    /// One turn: what arrived, what is ready (within the budget), what is due, what the kernel says.
    private func turn() {
        turns &+= 1
        takeIn(tandem_inbox_take(inbox))
        runReady()
        if timers.count > 0 { fireTimers() }
        if ready.pointee.head != nil || isStopping {
            poller.poll(nanoseconds: willPoll(0), hub: self)
        } else if tandem_inbox_prepare_sleep(inbox) {
            // The flag is set: `requestStop` from here on writes the eventfd.
            poller.poll(nanoseconds: willPoll(isStopping ? 0 : timeToNextTimer()), hub: self)
            tandem_inbox_finish_sleep(inbox)
        }
    }

    /// Runs what is ready, within the budget.
    private func runReady() {
        var budget = configuration.jobsPerTurn
        while budget > 0, let job = tandem_job_queue_pop(ready) {
            run(job)
            budget -= 1
        }
    }

    private func takeIn(_ list: UInt) {
        var item = list
        while item != 0 {
            let next = tandem_item_link(item).pointee
            if item & 1 != 0 {
                deliver(Wait(bitPattern: item & ~3)!)
            } else {
                tandem_job_queue_append(ready, UnsafeMutablePointer<tandem_job>(bitPattern: item)!)
            }
            item = next
        }
    }

    private func fireTimers() {
        let now = tandem_monotonic_nanoseconds()
        while let wait = timers.popDue(now) {
            if let timer = wait.pointee.timer {
                Unmanaged<HubTimer>.fromOpaque(timer).takeUnretainedValue().fire()
            } else {
                wake(wait, TANDEM_WAKE_TIMED_OUT)
            }
        }
    }

    private func timeToNextTimer() -> Int64 {
        let earliest = timers.earliest
        guard earliest != .max else { return -1 }
        let now = tandem_monotonic_nanoseconds()
        return earliest > now ? Int64(clamping: earliest - now) : 0
    }

    /// Cancels what was spawned and turns until it has ended, or the grace is over.
    private func unwind() {
        let deadline = Deadline.after(configuration.stopGrace)
        tasks.cancelAll()
        while tasks.count > 0 || ready.pointee.head != nil || !tandem_inbox_is_empty(inbox) {
            guard deadline.remaining != .zero else {
                report(
                    .unfinished,
                    "stopped with \(tasks.count) task(s) that did not end when cancelled: \(tasks.names.joined(separator: ", "))")
                return
            }
            takeIn(tandem_inbox_take(inbox))
            // Within the budget: a task that yields for ever must not outlive the grace.
            runReady()
            fireTimers()
            // Short, because nobody wakes a hub that does not announce its sleep.
            let isIdle = ready.pointee.head == nil && timeToNextTimer() != 0
            poller.poll(nanoseconds: willPoll(isIdle ? 1_000_000 : 0), hub: self)
        }
    }

    // MARK: Locals

    /// A value kept once a hub, made when first asked for. Only on the hub's thread.
    public func local<Value: AnyObject>(_ type: Value.Type, make: () throws -> Value) rethrows -> Value {
        preconditionOnThread()
        if let value = locals[ObjectIdentifier(type)] { return unsafeDowncast(value, to: Value.self) }
        let value = try make()
        locals[ObjectIdentifier(type)] = value
        return value
    }

    /// Drops the hub's locals; their deinits run on the hub's thread.
    private func dropLocals() {
        // Each goes when the dictionary has let it go: its deinit may ask for another local.
        while let key = locals.keys.first { _ = locals.removeValue(forKey: key) }
    }

    // MARK: Counts

    /// What lives on this hub now. Only on the hub's thread.
    public var statistics: HubStatistics {
        preconditionOnThread()
        return HubStatistics(
            greenThreads: Int(stacks.pointee.in_use), greenThreadsHighWater: Int(stacks.pointee.high_water), tasks: tasks.count,
            waits: waitsInUse, timers: timers.count, descriptors: poller.count, turns: turns,
            jobs: pulse.pointee.jobs, bridgesToBlocking: pulse.pointee.started, bridgesToAsync: pulse.pointee.awaited,
            parks: pulse.pointee.parked, stalls: tandem_pulse_stalls(pulse), loopDelays: LoopDelays(pulse.pointee))
    }
}
