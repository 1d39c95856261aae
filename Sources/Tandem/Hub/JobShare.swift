internal import CTandem

/// A share of the hub for each job, so that nobody holds it by being fast.
///
/// A task whose reads, writes and gets never have to wait would run for as long as its peer keeps up, and nobody else would.
/// So calls that did not have to wait are charged to the running job, and once its share is used up the next such call first
/// gives way. A job that waits starts its next one with a whole share.
struct JobShare {
    /// In bytes: 64 calls that move nothing, or 1 MiB.
    private static let whole = 1024 * 1024
    private static let costOfACall = whole / 64

    private var left = 0
    /// The waits of those that have given way.
    private var waits: [Wait] = []

    /// Whether the running job has none left.
    var isUsedUp: Bool { left <= 0 }

    /// Whether a task has given way, and waits for the kernel to be asked.
    var isWaitedFor: Bool { !waits.isEmpty }

    /// A job begins.
    mutating func beginJob() { left = JobShare.whole }

    mutating func charge(bytes: Int) { left -= bytes + JobShare.costOfACall }

    mutating func add(_ wait: Wait) { waits.append(wait) }

    /// The kernel was asked: calls `wake` with each wait.
    mutating func end(_ wake: (Wait) -> Void) {
        for wait in waits { wake(wait) }
        waits.removeAll(keepingCapacity: true)
    }
}

extension Hub {
    /// Charges the running job for a call that did not have to wait, and moved this many bytes. Returns whether the job's share
    /// is used up. Only on the hub's thread.
    @discardableResult
    package func charge(bytes: Int = 0) -> Bool {
        share.charge(bytes: bytes)
        return share.isUsedUp
    }

    /// Whether the running job has used up its share: then a call gives way before it takes or sends anything. Only on the
    /// hub's thread.
    package var mustGiveWay: Bool { share.isUsedUp }

    /// Suspends until the hub has finished its turn and asked the kernel; what the kernel, timers and other threads have woken
    /// goes first.
    ///
    /// It is no wait for anything: it heeds no cancellation and has no deadline, so a call that gives way first throws no more
    /// than before. Returns at once in a task that is not on a hub.
    package func giveWay() async {
        guard isCurrent else { return }
        let wait = beginGivingWay()
        await park(wait)
        _ = finishWait(wait)
    }

    /// Parks the green thread until the hub has finished its turn and asked the kernel, as the async form. Returns at once
    /// where nothing can be parked.
    @available(*, noasync)
    package func giveWay() {
        guard isCurrent, let fiber = tandem_current_fiber(), fiber.pointee.task == tandem_current_task() else { return }
        let wait = beginGivingWay()
        parkGreenThread(fiber, wait)
        _ = finishWait(wait)
    }

    private func beginGivingWay() -> Wait {
        let wait = beginWait(deadline: .never, for: "others to have their turn")
        wait.pointee.ignores_cancellation = true
        share.add(wait)
        return wait
    }
}
