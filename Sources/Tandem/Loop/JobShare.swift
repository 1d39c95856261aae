internal import CTandem

/// The share of the hub that each job has, so that no job holds the hub because its calls never have to wait.
///
/// A task whose reads, writes and gets never have to wait would run for as long as its peer keeps up. So calls that did not have
/// to wait are charged to the running job. When its share is used up, the next such call first gives way. A job that waits starts
/// its next job with a full share.
final class JobShare {
    /// A full share in bytes: 1 MiB, or 64 calls that move no bytes.
    private static let whole = 1024 * 1024
    private static let costOfACall = whole / 64

    @exclusivity(unchecked) private var left = 0
    /// The waits of the tasks that have given way.
    @exclusivity(unchecked) private var waits: [Wait] = []

    /// Whether the running job's share is used up.
    var isUsedUp: Bool { left <= 0 }

    /// Whether a task has given way and waits for the kernel to be asked.
    var isWaitedFor: Bool { !waits.isEmpty }

    /// Gives a full share to a new job.
    func beginJob() { left = JobShare.whole }

    func charge(bytes: Int) { left -= bytes + JobShare.costOfACall }

    func add(_ wait: Wait) { waits.append(wait) }

    /// Wakes the tasks that have given way. Called after the kernel was asked.
    func wakeAll(on hubWaits: Waits) {
        for wait in waits { hubWaits.wake(wait, TANDEM_WAKE_READY) }
        waits.removeAll(keepingCapacity: true)
    }
}

extension Hub {
    /// Charges the running job for a call that did not have to wait and that moved `bytes` bytes. Returns whether the job's share
    /// is used up. Must be called on the hub's thread.
    @discardableResult
    package func charge(bytes: Int = 0) -> Bool {
        share.charge(bytes: bytes)
        return share.isUsedUp
    }

    /// Whether the running job's share is used up. Then a call must give way before it takes or sends anything. Must be used on
    /// the hub's thread.
    package var mustGiveWay: Bool { share.isUsedUp }

    /// Suspends until the hub has finished its turn and asked the kernel. Jobs that the kernel, timers and other threads have
    /// woken run first.
    ///
    /// It has no deadline and ignores cancellation, so a call that gives way throws no other errors than before. Returns at once
    /// in a task that is not on this hub.
    package func giveWay() async {
        guard isCurrent else { return }
        let wait = beginGivingWay()
        await park(wait)
        _ = waits.finish(wait)
    }

    /// Parks the green thread until the hub has finished its turn and asked the kernel. Otherwise the same as the async form.
    /// Returns at once if the caller cannot be parked.
    @available(*, noasync)
    package func giveWay() {
        guard isCurrent, let fiber = tandem_current_fiber(), fiber.pointee.task == tandem_current_task() else { return }
        let wait = beginGivingWay()
        parkGreenThread(fiber, wait)
        _ = waits.finish(wait)
    }

    private func beginGivingWay() -> Wait {
        let wait = waits.begin(deadline: .never, for: "the next turn of the hub")
        wait.pointee.ignores_cancellation = true
        share.add(wait)
        return wait
    }
}
