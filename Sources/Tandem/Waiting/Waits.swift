internal import CTandem
internal import Synchronization

/// A suspended task, in either style, and the reasons that may wake it. Every wait of Tandem is one of these.
///
/// The waiting side calls `Waits.begin`, then `park` (async code directly, blocking code through its host frame), then
/// `Waits.finish`. The waking side calls `Waits.wake` on the hub's own thread, or `post` from any thread, also under locks.
typealias Wait = UnsafeMutablePointer<tandem_wait>

/// Why a wait ended. If there are several reasons, readiness wins: anything that was handed over is never lost.
enum WakeReason {
    case ready, closed, cancelled, timedOut

    init(_ bits: UInt32) {
        if bits & TANDEM_WAKE_READY != 0 {
            self = .ready
        } else if bits & TANDEM_WAKE_CLOSED != 0 {
            self = .closed
        } else if bits & TANDEM_WAKE_CANCELLED != 0 {
            self = .cancelled
        } else {
            self = .timedOut
        }
    }

    /// Returns if ready. Otherwise throws the error of the waiting call.
    func check() throws {
        switch self {
        case .ready: return
        case .closed: throw TandemError(.closed, "the descriptor was closed while a call waited on it")
        case .cancelled: throw Hub.cancellation
        case .timedOut: throw TandemError(.timedOut, "the deadline passed while the call waited")
        }
    }
}

/// The waits of one hub, and their deadlines. Must be used on the hub's thread, unless a comment says otherwise.
///
/// A value of this type refers to memory that the hub owns, so passing it on counts no references.
struct Waits {
    private struct State: ~Copyable {
        var pool: WaitPool
        var timers = TimerHeap()
        /// The wait to wake when the running job has ended.
        var yielding: Wait?
        let closed = Atomic<Bool>(false)
    }

    private let state: UnsafeMutablePointer<State>
    private let ready: ReadyJobs
    private let clock: LoopClock

    /// Creates a hub's waits.
    ///
    /// - Parameters:
    ///   - inbox: Receives waits that other threads have posted.
    ///   - ready: Receives the jobs of tasks that are woken.
    ///   - clock: The clock of the deadlines.
    init(inbox: UnsafeMutablePointer<tandem_inbox>, ready: ReadyJobs, clock: LoopClock) {
        state = .allocate(capacity: 1)
        state.initialize(to: State(pool: WaitPool(inbox: inbox)))
        self.ready = ready
        self.clock = clock
    }

    func deallocate() {
        state.pointee.pool.deallocate()
        state.deinitialize(count: 1)
        state.deallocate()
    }

    // MARK: Waiting side

    /// Returns a wait for the running task.
    ///
    /// - Parameters:
    ///   - deadline: When the hub wakes it with `TANDEM_WAKE_TIMED_OUT`.
    ///   - what: What the task waits for, as shown in dumps.
    ///   - detail: A number that goes with it, such as a descriptor's.
    func begin(deadline: Deadline, for what: StaticString, _ detail: CInt = -1) -> Wait {
        begin(deadline: deadline, named: UnsafeRawPointer(what.utf8Start).assumingMemoryBound(to: CChar.self), detail)
    }

    /// Returns a wait for the running task, as the other form does. `what` must never be freed.
    func begin(deadline: Deadline, named what: UnsafePointer<CChar>, _ detail: CInt = -1) -> Wait {
        let wait = state.pointee.pool.take()
        wait.pointee.what = what
        wait.pointee.detail = detail
        wait.pointee.task = tandem_current_task()
        wait.pointee.began = clock.realTurnTime
        if deadline != .never { arm(wait, deadline) }
        return wait
    }

    /// Sets the deadline of a wait that has none. It is exact under a virtual clock, otherwise rounded up so that timers share wake-ups.
    func arm(_ wait: Wait, _ deadline: Deadline) {
        state.pointee.timers.insert(wait, deadline: deadline.nanoseconds, now: clock.isVirtual ? nil : clock.now)
    }

    /// Removes a wait's deadline, if it has one.
    func disarm(_ wait: Wait) {
        if wait.pointee.heap_position != 0 { state.pointee.timers.remove(wait) }
    }

    /// Ends the wait and returns why it ended. Its memory is recycled: `wait` must not be used again. After the hub has ended, any
    /// thread may call this.
    func finish(_ wait: Wait) -> WakeReason {
        let reason = WakeReason(wait.pointee.woken_by)
        // The hub has ended. A task that outlived it may be on another thread and must not change the lists.
        guard !isClosed else { return reason }
        disarm(wait)
        state.pointee.pool.giveBack(wait)
        return reason
    }

    /// Holds a job back until its delay is over.
    func hold(_ job: Job) {
        let wait = begin(deadline: .after(nanoseconds: job.delay), for: "Task.sleep")
        wait.pointee.began = tandem_real_nanoseconds()
        wait.pointee.is_delayed_job = true
        wait.pointee.job = job
    }

    // MARK: Waking side

    /// Resumes the task that waits. No lock may be held: it calls the Swift runtime.
    func wake(_ wait: Wait, _ reason: UInt32) {
        guard wait.pointee.woken_by == 0 else { return }
        wait.pointee.woken_by = reason
        if tandem_is_recording() { tandem_record_wait(wait) }
        disarm(wait)
        if let job = wait.pointee.job { ready.append(job) }
    }

    /// Wakes the wait when the running job has ended. Its task is queued after all jobs that are ready then.
    func wakeAfterJob(_ wait: Wait) {
        // An actor without its own executor runs several tasks in one job.
        if let earlier = state.pointee.yielding { wake(earlier, TANDEM_WAKE_READY) }
        state.pointee.yielding = wait
    }

    /// Called when a job has ended.
    func jobEnded() {
        guard let wait = state.pointee.yielding else { return }
        state.pointee.yielding = nil
        wake(wait, TANDEM_WAKE_READY)
    }

    /// Wakes a wait that came out of the inbox.
    func deliver(_ wait: Wait) {
        if let reasons = state.pointee.pool.didArrive(wait) { wake(wait, reasons) }
    }

    /// Fires the timers that are due at `time`. Returns whether any has fired.
    func fireTimers(dueAt time: UInt64) -> Bool {
        var hasFired = false
        while let wait = state.pointee.timers.popDue(time) {
            hasFired = true
            if let timer = wait.pointee.timer {
                Unmanaged<HubTimer>.fromOpaque(timer).takeUnretainedValue().fire()
            } else {
                if wait.pointee.is_delayed_job { wait.pointee.job!.delay = 0 }
                wake(wait, TANDEM_WAKE_TIMED_OUT)
                if wait.pointee.is_delayed_job { _ = finish(wait) }
            }
        }
        return hasFired
    }

    /// The time when the first timer is due, in nanoseconds of the hub's clock; `UInt64.max` without timers.
    var earliest: UInt64 { state.pointee.timers.earliest }

    // MARK: What waits

    /// The number of calls that wait, and of `HubTimer`s.
    var count: Int { state.pointee.pool.inUse }

    /// The number of deadlines that are armed.
    var timerCount: Int { state.pointee.timers.count }

    /// The calls that wait now and that `isWanted` accepts. A `HubTimer` is not a call.
    func snapshot(where isWanted: (Wait) -> Bool = { _ in true }) -> [WaitSnapshot] {
        let now = tandem_real_nanoseconds()
        var found: [WaitSnapshot] = []
        state.pointee.pool.forEachCall { if isWanted($0) { found.append(WaitSnapshot($0.pointee, now: now)) } }
        return found
    }

    /// Walks over the calls that wait, in steps: see `WaitPool.forEachCall(from:atLeast:_:)`.
    func forEachCall(from first: Int, atLeast limit: Int, _ body: (Wait) -> Void) -> Int? {
        state.pointee.pool.forEachCall(from: first, atLeast: limit, body)
    }

    // MARK: End

    /// Whether the hub's loop has ended. Any thread.
    var isClosed: Bool { state.pointee.closed.load(ordering: .relaxed) }

    /// Records that the hub has ended.
    func close() { state.pointee.closed.store(true, ordering: .relaxed) }

    /// Returns the delayed jobs, whose delays become the rest of the time, and what the other calls wait for that nobody has woken.
    func endUnfinished() -> (delayed: [Job], lost: [String]) {
        var (delayed, lost): ([Job], [String]) = ([], [])
        state.pointee.pool.forEachCall { wait in
            if wait.pointee.is_delayed_job, let job = wait.pointee.job {
                job.delay -= min(job.delay, tandem_real_nanoseconds() - wait.pointee.began)
                delayed.append(job)
            } else if wait.pointee.woken_by == 0 {
                lost.append(String(cString: wait.pointee.what!))
            }
        }
        return (delayed, lost)
    }
}

/// A call that was waiting when the snapshot was taken.
struct WaitSnapshot {
    let task: UnsafeRawPointer?
    /// The event that the call waits for, as passed to `Waits.begin`.
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

/// Wakes the task that waits. May be called from any thread and under locks: it takes none and does not call the Swift runtime.
func post(_ wait: Wait, _ reason: UInt32) {
    guard tandem_wait_post(wait, reason), let inbox = wait.pointee.inbox else { return }
    // If the inbox is closed, the hub has stopped: nothing that waited there goes on.
    _ = tandem_inbox_put(inbox, wait, true)
}

/// Suspends the running task until the wait is woken. Cancelling the task wakes it too, unless the wait ignores cancellation.
///
/// Stays on the hub's thread until the task is suspended.
func park(_ wait: Wait) async {
    guard wait.pointee.woken_by == 0 else { return }
    let handler = wait.pointee.ignores_cancellation ? nil : tandem_wait_heed_cancellation(wait)
    while !(await ParkingExecutor.enter(wait)) {}
    if let handler { tandem_wait_ignore_cancellation(handler) }
}

/// Parks the current green thread until the wait is woken. Control returns to `Hub.host`, which awaits `park`. Must be called on the
/// thread's green stack.
func parkGreenThread(_ fiber: UnsafeMutablePointer<tandem_fiber>, _ wait: Wait) {
    fiber.pointee.waiting_on = wait
    tandem_fiber_suspend(fiber, .parked)
}
