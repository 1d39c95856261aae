internal import CTandem

/// A suspended task, in either style, and what may wake it: the one mechanism under every wait of Tandem.
///
/// The task's side is `beginWait`, then `park` (async code directly, blocking code through its host frame), then
/// `finishWait`. The waker's side is `wake` on the hub's own thread, or `post` from anywhere, also under locks.
typealias Wait = UnsafeMutablePointer<tandem_wait>

/// Why a wait ended. Where several reasons came together, readiness wins: what was handed over is never lost.
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

    /// Nothing when ready, else the error that the waiting call throws.
    func check() throws {
        switch self {
        case .ready: return
        case .closed: throw TandemError(.closed, "the descriptor was closed while a call waited on it")
        case .cancelled: throw Hub.cancellation
        case .timedOut: throw TandemError(.timedOut, "the deadline passed before what was waited for")
        }
    }
}

extension Hub {
    /// A wait for the running task. Only on the hub's thread.
    ///
    /// - Parameters:
    ///   - what: What it waits for, in the words of the dump.
    ///   - detail: A number that goes with it, such as a descriptor's.
    func beginWait(deadline: Deadline, for what: StaticString, _ detail: CInt = -1) -> Wait {
        let wait = takeWait()
        wait.pointee.what = UnsafeRawPointer(what.utf8Start).assumingMemoryBound(to: CChar.self)
        wait.pointee.detail = detail
        wait.pointee.task = tandem_current_task()
        wait.pointee.began = pulse.pointee.turn_began
        if deadline != .never { arm(wait, deadline) }
        return wait
    }

    /// Sets a wait's deadline: exactly under a virtual clock, else rounded up so that timers share wake-ups.
    func arm(_ wait: Wait, _ deadline: Deadline) {
        timers.insert(wait, deadline: deadline.nanoseconds, now: virtualNow == nil ? clockTime : nil)
    }

    /// Ends the wait and says why it ended. The memory is recycled; `wait` must not be used again.
    func finishWait(_ wait: Wait) -> WakeReason {
        let reason = WakeReason(wait.pointee.woken_by)
        release(wait)
        return reason
    }

    /// Resumes whoever waits. Only on the hub's thread, and with no lock held: it calls the Swift runtime.
    func wake(_ wait: Wait, _ reason: UInt32) {
        guard wait.pointee.woken_by == 0 else { return }
        wait.pointee.woken_by = reason
        if wait.pointee.heap_position != 0 { timers.remove(wait) }
        if let job = wait.pointee.job { append(job) }
    }

    private func takeWait() -> Wait {
        waitsInUse += 1
        if let wait = freeWaits {
            freeWaits = Wait(bitPattern: wait.pointee.next)
            wait.pointee.job = nil
            wait.pointee.woken_by = 0
            wait.pointee.released = false
            wait.pointee.ignores_cancellation = false
            return wait
        }
        let slab = Wait.allocate(capacity: Hub.waitsPerSlab)
        waitSlabs.append(slab)
        for index in 0..<Hub.waitsPerSlab {
            (slab + index).initialize(to: tandem_wait())
            slab[index].inbox = inbox
            if index > 0 { recycle(slab + index) }
        }
        return slab
    }

    func release(_ wait: Wait) {
        waitsInUse -= 1
        wait.pointee.what = nil
        if wait.pointee.heap_position != 0 { timers.remove(wait) }
        if tandem_wait_is_posted(wait) {
            // It still stands in the inbox, posted by somebody who came second; the hub recycles it from there.
            wait.pointee.released = true
        } else {
            recycle(wait)
        }
    }

    func recycle(_ wait: Wait) {
        wait.pointee.next = UInt(bitPattern: freeWaits)
        freeWaits = wait
    }

    /// A wait came out of the inbox.
    func deliver(_ wait: Wait) {
        let reasons = tandem_wait_take_posted(wait)
        if wait.pointee.released {
            recycle(wait)
        } else {
            wake(wait, reasons)
        }
    }
}

/// Wakes whoever waits, from any thread and also under locks: it takes none and does not call the Swift runtime.
func post(_ wait: Wait, _ reason: UInt32) {
    guard tandem_wait_post(wait, reason), let inbox = wait.pointee.inbox else { return }
    // A closed inbox means the hub has stopped, and with it every task that could wait there.
    _ = tandem_inbox_put(inbox, wait, true)
}

/// Suspends the running task until the wait is woken; cancelling the task wakes it too, unless the wait ignores that.
///
/// Stays on the hub's thread until it suspends.
func park(_ wait: Wait) async {
    guard wait.pointee.woken_by == 0 else { return }
    let handler = wait.pointee.ignores_cancellation ? nil : tandem_wait_heed_cancellation(wait)
    while !(await ParkingExecutor.enter(wait)) {}
    if let handler { tandem_wait_ignore_cancellation(handler) }
}

/// Parks the current green thread until the wait is woken. Only on a green stack.
func parkGreenThread(_ fiber: UnsafeMutablePointer<tandem_fiber>, _ wait: Wait) {
    fiber.pointee.waiting_on = wait
    tandem_fiber_suspend(fiber, .parked)
}
