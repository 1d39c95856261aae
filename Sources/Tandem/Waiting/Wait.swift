internal import CTandem

/// A suspended task, in either style, and the reasons that may wake it. Every wait of Tandem is one of these.
///
/// The waiting side calls `beginWait`, then `park` (async code directly, blocking code through its host frame), then
/// `finishWait`. The waking side calls `wake` on the hub's own thread, or `post` from any thread, also under locks.
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

extension Hub {
    /// Returns a wait for the running task. Must be called on the hub's thread.
    ///
    /// - Parameters:
    ///   - deadline: When the hub wakes it with `TANDEM_WAKE_TIMED_OUT`.
    ///   - what: What the task waits for, as shown in dumps.
    ///   - detail: A number that goes with it, such as a descriptor's.
    func beginWait(deadline: Deadline, for what: StaticString, _ detail: CInt = -1) -> Wait {
        beginWait(deadline: deadline, named: UnsafeRawPointer(what.utf8Start).assumingMemoryBound(to: CChar.self), detail)
    }

    /// Returns a wait for the running task, as the other form does. `what` must never be freed.
    func beginWait(deadline: Deadline, named what: UnsafePointer<CChar>, _ detail: CInt = -1) -> Wait {
        let wait = waits.take()
        wait.pointee.what = what
        wait.pointee.detail = detail
        wait.pointee.task = tandem_current_task()
        wait.pointee.began = pulse.pointee.turn_began
        if deadline != .never { arm(wait, deadline) }
        return wait
    }

    /// Sets a wait's deadline. It is exact under a virtual clock, otherwise rounded up so that timers share wake-ups.
    func arm(_ wait: Wait, _ deadline: Deadline) {
        timers.insert(wait, deadline: deadline.nanoseconds, now: virtualNow == nil ? clockTime : nil)
    }

    /// Ends the wait and returns why it ended. Its memory is recycled: `wait` must not be used again.
    func finishWait(_ wait: Wait) -> WakeReason {
        let reason = WakeReason(wait.pointee.woken_by)
        // On another thread, in a task that outlived the hub: its waits belong to nobody any more.
        guard !hasEnded else { return reason }
        if wait.pointee.heap_position != 0 { timers.remove(wait) }
        waits.giveBack(wait)
        return reason
    }

    /// Resumes the task that waits. Must be called on the hub's thread with no lock held: it calls the Swift runtime.
    func wake(_ wait: Wait, _ reason: UInt32) {
        guard wait.pointee.woken_by == 0 else { return }
        wait.pointee.woken_by = reason
        if wait.pointee.heap_position != 0 { timers.remove(wait) }
        if let job = wait.pointee.job { ready.append(job) }
    }

    /// Handles a wait that came out of the inbox.
    func deliver(_ wait: Wait) {
        if let reasons = waits.didArrive(wait) { wake(wait, reasons) }
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

/// Parks the current green thread until the wait is woken. Must be called on its green stack.
func parkGreenThread(_ fiber: UnsafeMutablePointer<tandem_fiber>, _ wait: Wait) {
    fiber.pointee.waiting_on = wait
    tandem_fiber_suspend(fiber, .parked)
}
