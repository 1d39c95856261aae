internal import CTandem

/// The loop. Runs on the hub's own thread.
extension Hub {
    /// Runs the hub on the calling thread until `requestStop`, and stops it.
    func runLoop() {
        tandem_pulse_enter(pulse)
        enter()
        while !isStopping { turn() }
        unwind()
        leave()
    }

    /// Makes the calling thread this hub's thread, and prepares the thread for overflow reports and the watchdog.
    func enter() {
        take()
        let failed = tandem_overflow_watch_thread()
        precondition(failed == 0, "sigaltstack: errno \(failed)")
        watch = configuration.stallThreshold.map { HubWatch(self, threshold: $0) }
        if tandem_is_main_thread() { GlobalExecutor.shared.enterMainThread(self) }
    }

    /// Makes this hub the calling thread's current hub. The thread must have no other hub.
    func take() {
        precondition(tandem_current_hub() == nil, "this thread already runs a hub")
        tandem_set_current_hub(Unmanaged.passUnretained(self).toOpaque(), virtualNow)
    }

    /// Ends `take`: the thread runs code outside the hub until the next `take`.
    func letGo() { tandem_set_current_hub(nil, nil) }

    /// Closes the hub after its loop has ended. Jobs that arrive from now on run elsewhere, `GlobalExecutor.handOver`.
    func leave() {
        dropLocals()
        watch?.end()
        tandem_overflow_unwatch_thread()
        GlobalExecutor.shared.leaveMainThread(self)
        markEnded()
        letGo()
        takeIn(tandem_inbox_close(inbox))
        handOverTasks()
        ended.send(())
    }

    /// Hands tasks that the hub did not start to Swift's executor, after the loop has ended. Those that wait for something of the hub
    /// are lost, because it wakes nobody any more.
    private func handOverTasks() {
        // First a look at all waits: a task that is handed over may end its wait meanwhile.
        var (lost, delayed): ([String], [Job]) = ([], [])
        waits.forEachCall { wait in
            if wait.pointee.is_delayed_job, let job = wait.pointee.job {
                job.delay -= min(job.delay, tandem_real_nanoseconds() - wait.pointee.began)
                delayed.append(job)
            } else if wait.pointee.woken_by == 0 {
                lost.append(String(cString: wait.pointee.what!))
            }
        }
        while let job = ready.removeFirst() { GlobalExecutor.shared.handOver(job) }
        for job in delayed { GlobalExecutor.shared.handOver(job) }
        guard configuration.takesOverGlobalExecutor, !lost.isEmpty else { return }
        let shown = lost.prefix(20).joined(separator: ", ")
        report(
            .unfinished,
            "stopped while \(lost.count) call(s) wait for something of this hub: their tasks never go on. They wait for: \(shown)"
        )
    }

    /// Runs one turn: items that arrived, jobs that are ready (up to the budget), timers that are due, then events of the kernel.
    /// If there is nothing to do, the hub waits in the kernel.
    private func turn() {
        runTurn()
        if hasMore || isStopping {
            poll(nanoseconds: 0)
        } else if virtualNow != nil, timers.count > 0 {
            jumpToNextTimer()
        } else if tandem_inbox_prepare_sleep(inbox) {
            // The `asleep` flag is set: a `requestStop` from now on writes to the eventfd.
            poll(nanoseconds: isStopping ? 0 : timeToNextTimer())
            tandem_inbox_finish_sleep(inbox)
        } else if jobsUnasked >= configuration.jobsPerTurn {
            // Jobs that wake each other through the inbox without end must not keep the hub from asking the kernel.
            poll(nanoseconds: 0)
        }
    }

    /// Runs the part of a turn that does not ask the kernel.
    ///
    /// Timers fire after the jobs that the kernel's last answer has woken, and only timers that were due when the kernel was
    /// asked. So if something arrives in time for a call with a deadline, the call gets it, however long the process was stopped
    /// or the hub was held meanwhile.
    func runTurn() {
        turns &+= 1
        takeIn(tandem_inbox_take(inbox))
        firingLimit.beginTurn(jobsAhead: ready.woken.pointee.count)
        let budget = configuration.jobsPerTurn
        let left = run(ready.woken, atMost: budget)
        firingLimit.didRun(budget - left)
        if timers.count > 0, fireTimers() { _ = run(ready.woken, atMost: left) }
        _ = run(ready.others, atMost: budget)
        if !turnEnds.isEmpty { endTurn() }
    }

    /// Whether there is work to do before the hub may sleep.
    var hasMore: Bool { !ready.isEmpty || !turnEnds.isEmpty || share.isWaitedFor }

    /// Runs at most `budget` jobs of a queue, so that neither queue starves the other, timers or descriptors. Returns what is
    /// left of the budget.
    private func run(_ queue: ReadyQueues.Queue, atMost budget: Int) -> Int {
        var left = budget
        ready.willRunJobs()
        while left > 0, let job = ready.next(of: queue) {
            run(job)
            left -= 1
            if let wait = yielding {
                yielding = nil
                wake(wait, TANDEM_WAKE_READY)
            }
        }
        ready.didRunJobs()
        jobsUnasked += budget - left
        return left
    }

    /// Wakes the wait when the running job has ended. Its task is queued after all jobs that are ready then.
    func wakeAfterJob(_ wait: Wait) {
        // An actor without its own executor runs several tasks in one job.
        if let earlier = yielding { wake(earlier, TANDEM_WAKE_READY) }
        yielding = wait
    }

    private func run(_ job: Job) {
        tandem_pulse_job(pulse)
        share.beginJob()
        let unowned = unsafeBitCast(job, to: UnownedJob.self)
        let kind = job.kind
        tandem_set_job_kind(kind)
        switch kind {
        case TANDEM_JOB_PREFERRED: unowned.runSynchronously(on: executor)
        case TANDEM_JOB_ISOLATED:
            unowned.runSynchronously(isolatedTo: serialExecutor.asUnownedSerialExecutor(), taskExecutor: executor)
        case TANDEM_JOB_MAIN: unowned.runSynchronously(on: MainActorExecutor.shared.asUnownedSerialExecutor())
        // With the hub as its task executor, the task would change executors at each call of an async function.
        default: unowned.runSynchronously(on: GlobalExecutor.noExecutor)
        }
    }

    /// Takes in jobs and wakes in the order in which they were put in.
    private func takeIn(_ list: UInt) {
        var item = list
        while item != 0 {
            let next = tandem_item_link(item).pointee
            if item & 1 != 0 {
                deliver(Wait(bitPattern: item & ~3)!)
            } else {
                accept(Job(bitPattern: item)!)
            }
            item = next
        }
    }

    /// Fires the timers that may fire. Returns whether any has fired.
    private func fireTimers() -> Bool {
        var hasFired = false
        while let wait = timers.popDue(firingLimit.time) {
            hasFired = true
            if let timer = wait.pointee.timer {
                Unmanaged<HubTimer>.fromOpaque(timer).takeUnretainedValue().fire()
            } else {
                if wait.pointee.is_delayed_job { wait.pointee.job!.delay = 0 }
                wake(wait, TANDEM_WAKE_TIMED_OUT)
                if wait.pointee.is_delayed_job { _ = finishWait(wait) }
            }
        }
        return hasFired
    }

    /// Sets a virtual clock to the time of the next timer, unless the kernel or another thread has work first.
    private func jumpToNextTimer() {
        poll(nanoseconds: 0)
        guard !hasMore, tandem_inbox_is_empty(inbox), timers.count > 0, let virtualNow else { return }
        virtualNow.pointee = max(virtualNow.pointee, timers.earliest)
        firingLimit.asked(at: virtualNow.pointee)
    }

    /// Returns the nanoseconds until the next timer is due; 0 if it is overdue, -1 if there is none.
    func timeToNextTimer() -> Int64 {
        let earliest = timers.earliest
        guard earliest != .max else { return -1 }
        let now = tandem_monotonic_nanoseconds()
        return earliest > now ? Int64(clamping: earliest - now) : 0
    }

    /// Asks the kernel, waiting at most `nanoseconds` (negative: without limit), and delivers the events.
    func poll(nanoseconds: Int64) {
        let limit = willPoll(nanoseconds)
        let began = pulse.pointee.turn_began
        let answer = registrations.poller.wait(nanoseconds: limit)
        tandem_pulse_did_poll(pulse)
        jobsUnasked = 0
        for index in 0..<answer.count { registrations.deliver(registrations.poller.event(index), on: self) }
        if share.isWaitedFor { share.end { wake($0, TANDEM_WAKE_READY) } }
        // If there were events, the kernel may have answered before the time was over. Without events, it looked once more at the
        // end.
        let asked = virtualNow?.pointee ?? (answer.count > 0 ? began : began + UInt64(max(limit, 0)))
        firingLimit.answered(at: asked, isComplete: answer.isComplete, registrations: registrations.count)
    }

    /// Cancels the tasks that were spawned and runs turns until they have ended, or until `stopGrace` is over.
    func unwind() {
        // From here on, tasks that were not spawned on the hub run elsewhere: the hub does not wait for them.
        GlobalExecutor.shared.remove([self])
        let deadline = tandem_real_nanoseconds() + configuration.stopGrace.nanosecondsClamped
        tasks.cancelAll()
        while tasks.count > 0 || hasMore || !tandem_inbox_is_empty(inbox) {
            guard tandem_real_nanoseconds() < deadline else {
                report(
                    .unfinished,
                    "stopped with \(tasks.count) task(s) that did not end when cancelled: \(tasks.names.joined(separator: ", "))")
                return
            }
            // `runTurn` has a budget, so a task that yields without end cannot exceed the grace.
            runTurn()
            // A short sleep: this hub has not set its `asleep` flag, so other threads do not wake it.
            if !hasMore, virtualNow != nil, timers.count > 0 {
                jumpToNextTimer()
            } else {
                poll(nanoseconds: hasMore || timeToNextTimer() == 0 ? 0 : 1_000_000)
            }
        }
    }
}
