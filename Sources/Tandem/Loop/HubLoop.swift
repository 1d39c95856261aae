internal import CTandem

/// The loop of a hub: it runs the jobs that are ready, fires timers and asks the kernel, in turns. Must be used on the hub's
/// thread.
final class HubLoop {
    private let pulse: UnsafeMutablePointer<tandem_pulse>
    private let recorder: UnsafeMutablePointer<tandem_recorder>
    private let inbox: UnsafeMutablePointer<tandem_inbox>
    private let clock: LoopClock
    private let ready: ReadyJobs
    private let waits: Waits
    private let registrations: Registrations
    private let poller: any Poller
    private let share: JobShare
    private let turnEnds: TurnEndList
    let idleness: Idleness
    private let budget: Int
    // The hub, which owns the loop. `attach` sets this and the two executors.
    private var owner: Unmanaged<Hub>!
    @exclusivity(unchecked) private var taskExecutor: UnownedTaskExecutor!
    @exclusivity(unchecked) private var serialExecutor: UnownedSerialExecutor!
    @exclusivity(unchecked) private var firingLimit = FiringLimit()
    /// The number of turns since the start.
    @exclusivity(unchecked) private(set) var turns: UInt64 = 0
    /// The number of jobs that have run since the kernel was last asked.
    @exclusivity(unchecked) private var jobsSincePoll = 0

    /// Creates a loop from the parts of a hub.
    ///
    /// - Parameter budget: The maximum number of jobs per queue and turn.
    init(
        budget: Int, _ pulse: UnsafeMutablePointer<tandem_pulse>, _ recorder: UnsafeMutablePointer<tandem_recorder>,
        _ inbox: UnsafeMutablePointer<tandem_inbox>, _ clock: LoopClock, _ ready: ReadyJobs, _ waits: Waits,
        _ registrations: Registrations, _ share: JobShare, _ turnEnds: TurnEndList, _ idleness: Idleness
    ) {
        self.budget = budget
        self.pulse = pulse
        self.recorder = recorder
        self.inbox = inbox
        self.clock = clock
        self.ready = ready
        self.waits = waits
        self.registrations = registrations
        self.share = share
        self.turnEnds = turnEnds
        self.idleness = idleness
        poller = registrations.poller
    }

    /// Makes this the loop of `hub`. Called once, at the end of the hub's init.
    func attach(to hub: Hub) {
        owner = .passUnretained(hub)
        taskExecutor = hub.asUnownedTaskExecutor()
        serialExecutor = hub.serialExecutor.asUnownedSerialExecutor()
    }

    private var hub: Hub { owner.takeUnretainedValue() }

    private var isStopping: Bool { owner._withUnsafeGuaranteedRef { $0.isStopping } }

    // MARK: Life

    /// Runs the hub on the calling thread until it is asked to stop, and stops it.
    func run() {
        // Not in another function: it records this frame, at which walks over the thread's stack end.
        tandem_pulse_enter(pulse)
        start()
        while !isStopping { turn() }
        unwind()
        finish()
    }

    /// Binds the hub to the calling thread, and prepares the thread for overflow reports and the watchdog.
    private func start() {
        bind()
        let failed = tandem_overflow_watch_thread()
        precondition(failed == 0, "sigaltstack: errno \(failed)")
        hub.watch.threshold = hub.configuration.stallThreshold
        if tandem_is_main_thread() { GlobalExecutor.shared.enterMainThread(hub) }
    }

    /// Makes the hub the calling thread's current hub. The thread must have no other hub.
    private func bind() {
        precondition(tandem_current_hub() == nil, "this thread already runs a hub")
        tandem_set_current_hub(Unmanaged.passUnretained(hub).toOpaque(), clock.virtualTime, recorder)
    }

    /// Ends `bind`: the thread runs code outside the hub until the next `bind`.
    private func unbind() { tandem_set_current_hub(nil, nil, nil) }

    /// Cancels the tasks that were spawned and runs turns until they have ended, or until `stopGrace` is over.
    private func unwind() {
        // From here on, tasks that were not spawned on the hub run elsewhere: the hub does not wait for them.
        GlobalExecutor.shared.remove([hub])
        let deadline = tandem_real_nanoseconds() + hub.configuration.stopGrace.nanosecondsClamped
        hub.tasks.cancelAll()
        while hub.tasks.count > 0 || hasMore || !tandem_inbox_is_empty(inbox) {
            guard tandem_real_nanoseconds() < deadline else {
                let (count, names) = (hub.tasks.count, hub.tasks.names.joined(separator: ", "))
                return hub.report(.unfinished, "stopped with \(count) task(s) that did not end when cancelled: \(names)")
            }
            // It has a budget, so a task that yields without end cannot exceed the grace.
            runTurn()
            // A short sleep: this hub has not set its `asleep` flag, so other threads do not wake it.
            if !hasMore, clock.isVirtual, waits.timerCount > 0 {
                jumpToNextTimer()
            } else {
                poll(nanoseconds: hasMore || timeToNextTimer() == 0 ? 0 : 1_000_000)
            }
        }
    }

    /// Ends the hub. Tasks that outlived the stop grace may be left. Jobs that arrive from now on run elsewhere: see
    /// `GlobalExecutor.handOver`.
    private func finish() {
        hub.locals.drop()
        hub.watch.end()
        tandem_overflow_unwatch_thread()
        GlobalExecutor.shared.leaveMainThread(hub)
        waits.close()
        unbind()
        takeIn(tandem_inbox_close(inbox))
        handOverTasks()
        hub.ended.send(())
    }

    /// Hands the remaining ready and delayed jobs to Swift's executor. Tasks that wait for something of the hub are lost, because
    /// the hub wakes nobody any more.
    private func handOverTasks() {
        // First all waits: a task that is handed over may end its wait meanwhile.
        let (delayed, lost) = waits.endUnfinished()
        while let job = ready.removeFirst() { GlobalExecutor.shared.handOver(job) }
        for job in delayed { GlobalExecutor.shared.handOver(job) }
        guard hub.configuration.takesOverGlobalExecutor, !lost.isEmpty else { return }
        let shown = lost.prefix(20).joined(separator: ", ")
        hub.report(
            .unfinished,
            "stopped while \(lost.count) call(s) wait for something of this hub: their tasks never go on. They wait for: \(shown)"
        )
    }

    // MARK: Turns

    /// Runs one turn: items that arrived, jobs that are ready (up to the budget), timers that are due, then events of the kernel.
    /// If there is nothing to do, the hub waits in the kernel.
    private func turn() {
        runTurn()
        if hasMore || isStopping {
            poll(nanoseconds: 0)
        } else if clock.isVirtual, waits.timerCount > 0 {
            jumpToNextTimer()
        } else if tandem_inbox_prepare_sleep(inbox) {
            // The `asleep` flag is set: a `requestStop` from now on writes to the eventfd.
            poll(nanoseconds: isStopping ? 0 : timeToNextTimer())
            tandem_inbox_finish_sleep(inbox)
        } else if jobsSincePoll >= budget {
            // Jobs that wake each other through the inbox without end must not keep the hub from asking the kernel.
            poll(nanoseconds: 0)
        }
    }

    /// Runs the part of a turn that does not ask the kernel.
    ///
    /// Timers fire after the jobs that the kernel's last answer has woken, and only timers that were due when the kernel was
    /// asked. So if something arrives in time for a call with a deadline, the call gets it, however long the process was stopped
    /// or the hub was held meanwhile.
    private func runTurn() {
        turns &+= 1
        takeIn(tandem_inbox_take(inbox))
        firingLimit.beginTurn(jobsAhead: ready.wokenCount)
        let left = run(.woken, atMost: budget)
        firingLimit.didRun(budget - left)
        // No job runs now, so the jobs that timers wake go into the queue of woken jobs.
        if waits.timerCount > 0, waits.fireTimers(dueAt: firingLimit.time) { _ = run(.woken, atMost: left) }
        _ = run(.others, atMost: budget)
        if !turnEnds.isEmpty { turnEnds.fire() }
    }

    /// Whether there is work to do before the hub may sleep.
    private var hasMore: Bool { !ready.isEmpty || !turnEnds.isEmpty || share.isWaitedFor }

    /// Takes in jobs and wakes in the order in which they were put in. The lowest bit of an item tells a wait from a job (inbox.h).
    private func takeIn(_ list: UInt) {
        var item = list
        while item != 0 {
            let next = tandem_item_link(item).pointee
            if item & 1 != 0 {
                waits.deliver(Wait(bitPattern: item & ~3)!)
            } else {
                accept(Job(bitPattern: item)!)
            }
            item = next
        }
    }

    /// Makes a job ready, or waits for its delay first.
    func accept(_ job: Job) {
        if job.delay > 0 { waits.hold(job) } else { ready.append(job) }
    }

    // MARK: Jobs

    /// Runs at most `budget` jobs of a queue and returns the rest of the budget. The budget keeps one queue from starving the other
    /// queue, timers and descriptors.
    private func run(_ queue: ReadyJobs.Queue, atMost budget: Int) -> Int {
        var left = budget
        ready.willRunJobs()
        while left > 0, let job = ready.next(of: queue) {
            run(job)
            left -= 1
            waits.jobEnded()
        }
        ready.didRunJobs()
        jobsSincePoll += budget - left
        return left
    }

    private func run(_ job: Job) {
        guard !tandem_is_recording() else { return record(job) }
        perform(job)
    }

    /// Runs a job, and records when it ran.
    @inline(never)
    private func record(_ job: Job) {
        tandem_record_job_begins(recorder, job)
        perform(job)
        tandem_record_job_ended(recorder, tandem_pulse_stalls(pulse))
    }

    @inline(__always)
    private func perform(_ job: Job) {
        tandem_pulse_job(pulse)
        share.beginJob()
        let unowned = unsafeBitCast(job, to: UnownedJob.self)
        let kind = job.kind
        tandem_set_job_kind(kind)
        switch kind {
        case TANDEM_JOB_PREFERRED: unowned.runSynchronously(on: taskExecutor)
        case TANDEM_JOB_ISOLATED: unowned.runSynchronously(isolatedTo: serialExecutor, taskExecutor: taskExecutor)
        case TANDEM_JOB_MAIN: performOnMainActor(unowned)
        // With the hub as its task executor, the task would change executors at each call of an async function.
        default: unowned.runSynchronously(on: GlobalExecutor.noExecutor)
        }
    }

    @inline(never)  // rare, and needs registers that `record` would save for each job
    private func performOnMainActor(_ job: UnownedJob) {
        job.runSynchronously(on: MainActorExecutor.shared.asUnownedSerialExecutor())
    }

    // MARK: The kernel

    /// Asks the kernel, waiting at most `nanoseconds` (negative: without limit), and delivers the events.
    private func poll(nanoseconds: Int64) {
        let limit = preparePoll(nanoseconds)
        let began = pulse.pointee.turn_began
        let answer = poller.wait(nanoseconds: limit)
        tandem_pulse_did_poll(pulse)
        if tandem_is_recording() { tandem_record_poll(recorder, began, answer.count, nanoseconds != 0) }
        jobsSincePoll = 0
        for index in 0..<answer.count { registrations.deliver(poller.event(index), on: waits) }
        if share.isWaitedFor { share.wakeAll(on: waits) }
        // If there were events, the kernel may have answered before the time was over. Without events, it looked once more at the
        // end.
        let asked = clock.virtualTime?.pointee ?? (answer.count > 0 ? began : began + UInt64(max(limit, 0)))
        firingLimit.answered(at: asked, isComplete: answer.isComplete, registrations: registrations.count)
    }

    /// Does the work of an idle hub before a poll of at most `nanoseconds` (negative: without limit). Returns the limit to use,
    /// which is shorter if more idle work is due earlier.
    private func preparePoll(_ nanoseconds: Int64) -> Int64 {
        let now = tandem_real_nanoseconds()
        tandem_pulse_will_poll(pulse, now, nanoseconds != 0)
        guard nanoseconds != 0 else { return 0 }
        let limit = min(idleness.work(at: now, of: owner), nanoseconds < 0 ? .max : nanoseconds)
        return limit == .max ? -1 : limit
    }

    /// Sets a virtual clock to the time of the next timer, unless the kernel or another thread has work first.
    private func jumpToNextTimer() {
        poll(nanoseconds: 0)
        guard !hasMore, tandem_inbox_is_empty(inbox), waits.timerCount > 0 else { return }
        firingLimit.asked(at: clock.jump(to: waits.earliest))
    }

    /// Returns the nanoseconds until the next timer is due; 0 if it is overdue, -1 without timers.
    private func timeToNextTimer() -> Int64 {
        let earliest = waits.earliest
        guard earliest != .max else { return -1 }
        let now = clock.now
        return earliest > now ? Int64(clamping: earliest - now) : 0
    }

    // MARK: In another event loop

    /// Prepares the calling thread for the turns of a guest hub.
    func startAsGuest() {
        tandem_pulse_enter(pulse)
        start()
        unbind()
    }

    /// Runs one turn without waiting, in another event loop.
    func turnAsGuest() {
        tandem_inbox_finish_sleep(inbox)
        // Not in another function: see `run`.
        tandem_pulse_enter(pulse)
        bind()
        poll(nanoseconds: 0)
        runTurn()
        unbind()
    }

    /// Prepares for a sleep of the other loop: the hub's eventfd becomes readable when other threads hand work to the hub, or at once if there
    /// is work. Returns the time when a turn is due, in nanoseconds of CLOCK_MONOTONIC; `UInt64.max` if none is.
    func prepareSleepAsGuest() -> UInt64 {
        // An audit of descriptors may wake their waiters, whose handlers run on the hub.
        bind()
        let idle = preparePoll(hasMore ? 0 : timeToNextTimer())
        unbind()
        if idle == 0 || !tandem_inbox_prepare_sleep(inbox) { tandem_eventfd_add(poller.wakeDescriptor) }
        // The hub's idle work, such as trimming stacks, is due at a certain time too.
        return idle < 0 ? .max : min(waits.earliest, clock.now + UInt64(idle))
    }

    /// Stops a guest hub. The other loop is blocked meanwhile.
    func stopAsGuest() {
        tandem_pulse_enter(pulse)
        bind()
        unwind()
        finish()
    }
}
