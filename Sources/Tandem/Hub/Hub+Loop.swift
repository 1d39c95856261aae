internal import CTandem

/// The loop, on the hub's own thread.
extension Hub {
    /// Makes the calling thread this hub's, until `requestStop`.
    func runLoop() {
        tandem_pulse_enter(pulse)
        enter()
        while !isStopping { turn() }
        unwind()
        leave()
    }

    /// Makes the calling thread this hub's for as long as it exists.
    func enter() {
        take()
        let failed = tandem_overflow_watch_thread()
        precondition(failed == 0, "sigaltstack: errno \(failed)")
        watch = configuration.stallThreshold.map { HubWatch(self, threshold: $0) }
    }

    /// Makes the calling thread this hub's, which it must be of no other.
    func take() {
        precondition(tandem_current_hub() == nil, "this thread already runs a hub")
        tandem_set_current_hub(Unmanaged.passUnretained(self).toOpaque(), virtualNow)
    }

    /// The thread runs other code until `take`.
    func letGo() { tandem_set_current_hub(nil, nil) }

    /// The loop has ended: what comes from now on ends elsewhere.
    func leave() {
        dropLocals()
        watch?.end()
        tandem_overflow_unwatch_thread()
        markEnded()
        letGo()
        takeIn(tandem_inbox_close(inbox))
        while let job = tandem_job_queue_pop(woken) ?? tandem_job_queue_pop(ready) { handOn(job) }
        ended.send(())
    }

    /// One turn: what arrived, what is ready (within the budget), what is due, what the kernel says. With nothing to do it
    /// waits in the kernel until there is.
    private func turn() {
        runTurn()
        if hasMore || isStopping {
            poll(nanoseconds: 0)
        } else if virtualNow != nil, timers.count > 0 {
            jumpToNextTimer()
        } else if tandem_inbox_prepare_sleep(inbox) {
            // The flag is set: `requestStop` from here on writes the eventfd.
            poll(nanoseconds: isStopping ? 0 : timeToNextTimer())
            tandem_inbox_finish_sleep(inbox)
        } else if jobsUnasked >= configuration.jobsPerTurn {
            // Those who wake each other for ever must not keep the kernel from being asked.
            poll(nanoseconds: 0)
        }
    }

    /// The part of a turn that does not ask the kernel.
    ///
    /// Timers fire after the jobs that the kernel's last answer has woken, and only those that were due when it was asked.
    /// So whoever waits until a deadline for something that has come in time goes on with it, however long the process was
    /// stopped or the hub was held meanwhile.
    func runTurn() {
        turns &+= 1
        takeIn(tandem_inbox_take(inbox))
        firingLimit.beginTurn(jobsAhead: woken.pointee.count)
        let budget = configuration.jobsPerTurn
        let left = run(woken, atMost: budget)
        firingLimit.didRun(budget - left)
        if timers.count > 0, fireTimers() { _ = run(woken, atMost: left) }
        _ = run(ready, atMost: budget)
        if !turnEnds.isEmpty { endTurn() }
    }

    /// Whether there is something to do before the hub may sleep.
    var hasMore: Bool {
        woken.pointee.head != nil || ready.pointee.head != nil || !turnEnds.isEmpty || share.isWaitedFor
    }

    /// Runs what is ready, in each queue within the budget, so that neither starves the other, timers or descriptors. Returns
    /// what is left of the budget.
    private func run(_ queue: UnsafeMutablePointer<tandem_job_queue>, atMost budget: Int) -> Int {
        var left = budget
        appendsToReady = true
        while left > 0, let job = next(of: queue) {
            run(job)
            left -= 1
            if let wait = yielding {
                yielding = nil
                wake(wait, TANDEM_WAKE_READY)
            }
        }
        // With an order from outside there is one queue, or it would not be the whole order.
        appendsToReady = order != nil
        jobsUnasked += budget - left
        return left
    }

    /// Wakes the wait when the running job has ended, behind all that is ready then.
    func wakeAfterJob(_ wait: Wait) {
        // An actor runs several tasks in one job.
        if let earlier = yielding { wake(earlier, TANDEM_WAKE_READY) }
        yielding = wait
    }

    private func next(of queue: UnsafeMutablePointer<tandem_job_queue>) -> UnsafeMutablePointer<tandem_job>? {
        guard order != nil, queue.pointee.count > 1 else { return tandem_job_queue_pop(queue) }
        return tandem_job_queue_take(queue, order!.next(below: queue.pointee.count))
    }

    private func run(_ job: UnsafeMutablePointer<tandem_job>) {
        tandem_pulse_job(pulse)
        share.beginJob()
        let isolated = job.pointee.is_isolated != 0
        let unowned = unsafeBitCast(job, to: UnownedJob.self)
        if isolated {
            unowned.runSynchronously(isolatedTo: serialExecutor.asUnownedSerialExecutor(), taskExecutor: executor)
        } else {
            unowned.runSynchronously(on: executor)
        }
    }

    /// In the order in which it was put in, jobs and wakes alike.
    private func takeIn(_ list: UInt) {
        var item = list
        while item != 0 {
            let next = tandem_item_link(item).pointee
            if item & 1 != 0 {
                deliver(Wait(bitPattern: item & ~3)!)
            } else {
                append(UnsafeMutablePointer<tandem_job>(bitPattern: item)!)
            }
            item = next
        }
    }

    /// Whether any timer has fired.
    private func fireTimers() -> Bool {
        var hasFired = false
        while let wait = timers.popDue(firingLimit.time) {
            hasFired = true
            if let timer = wait.pointee.timer {
                Unmanaged<HubTimer>.fromOpaque(timer).takeUnretainedValue().fire()
            } else {
                wake(wait, TANDEM_WAKE_TIMED_OUT)
            }
        }
        return hasFired
    }

    /// Nothing is ready: the time of a virtual clock becomes that of the next timer, unless the kernel has something first.
    private func jumpToNextTimer() {
        poll(nanoseconds: 0)
        guard !hasMore, tandem_inbox_is_empty(inbox), timers.count > 0, let virtualNow else { return }
        virtualNow.pointee = max(virtualNow.pointee, timers.earliest)
        firingLimit.asked(at: virtualNow.pointee)
    }

    /// How long it is until a timer is due, in nanoseconds; -1 when there is none.
    func timeToNextTimer() -> Int64 {
        let earliest = timers.earliest
        guard earliest != .max else { return -1 }
        let now = tandem_monotonic_nanoseconds()
        return earliest > now ? Int64(clamping: earliest - now) : 0
    }

    /// Asks the kernel, for at most this long (negative: for ever), and tells those who are concerned.
    func poll(nanoseconds: Int64) {
        let limit = willPoll(nanoseconds)
        let began = pulse.pointee.turn_began
        let answer = registrations.poller.wait(nanoseconds: limit)
        tandem_pulse_did_poll(pulse)
        jobsUnasked = 0
        for index in 0..<answer.count { registrations.deliver(registrations.poller.event(index)) }
        if share.isWaitedFor { share.end { wake($0, TANDEM_WAKE_READY) } }
        // With events the kernel may have answered before the time was over; without, it looked once more when it was.
        let asked = virtualNow?.pointee ?? (answer.count > 0 ? began : began + UInt64(max(limit, 0)))
        firingLimit.answered(at: asked, isComplete: answer.isComplete, registrations: registrations.count)
    }

    /// Cancels what was spawned and turns until it has ended, or the grace is over.
    func unwind() {
        let deadline = tandem_real_nanoseconds() + configuration.stopGrace.nanosecondsClamped
        tasks.cancelAll()
        while tasks.count > 0 || hasMore || !tandem_inbox_is_empty(inbox) {
            guard tandem_real_nanoseconds() < deadline else {
                report(
                    .unfinished,
                    "stopped with \(tasks.count) task(s) that did not end when cancelled: \(tasks.names.joined(separator: ", "))")
                return
            }
            // Within the budget: a task that yields for ever must not outlive the grace.
            runTurn()
            // Short, because nobody wakes a hub that does not announce its sleep.
            if !hasMore, virtualNow != nil, timers.count > 0 {
                jumpToNextTimer()
            } else {
                poll(nanoseconds: hasMore || timeToNextTimer() == 0 ? 0 : 1_000_000)
            }
        }
    }
}
