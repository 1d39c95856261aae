internal import CTandem

/// The work of a hub before it sleeps: it gives memory of deep calls back to the kernel, closes descriptors whose numbers other
/// code has closed, and reports waiters that are stuck.
struct Idleness {
    /// The maximum number of stacks to trim before the hub looks for jobs again.
    static let stacksPerTrim: Int = 64
    /// The maximum number of waited-on descriptors to check in one audit.
    static let descriptorsPerAudit = 1_024

    /// The time when stacks are trimmed next, in nanoseconds of CLOCK_MONOTONIC; 0 before there was anything to trim.
    var nextTrim: UInt64 = 0
    // The time when descriptors are checked next; 0 before there were any.
    fileprivate var nextAudit: UInt64 = 0
    // The time when the hub last became idle, and the number of jobs that had run by then.
    fileprivate var since: UInt64 = 0
    fileprivate var jobs: UInt64 = 0
    fileprivate var hasReported = false
}

extension Hub {
    /// Prepares for a poll of at most `nanoseconds` (negative: without limit). Returns the limit to use, which is shorter if idle
    /// work is due earlier.
    func willPoll(_ nanoseconds: Int64) -> Int64 {
        let now = tandem_real_nanoseconds()
        tandem_pulse_will_poll(pulse, now, nanoseconds != 0)
        guard nanoseconds != 0 else { return 0 }
        let sleep = nanoseconds < 0 ? Int64.max : nanoseconds
        let bound = min(timeToTrim(now), timeToAudit(now), timeToStuckReport(now), sleep)
        return bound == .max ? -1 : bound
    }

    private func timeToTrim(_ now: UInt64) -> Int64 {
        guard stacks.pointee.used != nil, configuration.trimsStacks else { return .max }
        if idleness.nextTrim == 0 { idleness.nextTrim = now + 1_000_000_000 }
        guard now >= idleness.nextTrim else { return Int64(clamping: idleness.nextTrim - now) }
        if tandem_stack_pool_trim(stacks, Idleness.stacksPerTrim) { return 0 }
        idleness.nextTrim = now + 1_000_000_000
        return .max
    }

    private func timeToAudit(_ now: UInt64) -> Int64 {
        guard let interval = configuration.auditInterval, registrations.count > 0 else { return .max }
        if idleness.nextAudit == 0 { idleness.nextAudit = now + interval.nanosecondsClamped }
        if now >= idleness.nextAudit {
            idleness.nextAudit = now + interval.nanosecondsClamped
            // Tasks that the audit has woken are ready now.
            if registrations.audit(limit: Idleness.descriptorsPerAudit) { return 0 }
        }
        return Int64(clamping: idleness.nextAudit - now)
    }

    private func timeToStuckReport(_ now: UInt64) -> Int64 {
        guard let threshold = configuration.stuckThreshold, waits.inUse > 0, timers.count == 0, registrations.count == 0 else {
            idleness.since = 0
            return .max
        }
        if idleness.since == 0 || idleness.jobs != pulse.pointee.jobs {
            idleness.since = now
            idleness.jobs = pulse.pointee.jobs
            idleness.hasReported = false
        }
        guard !idleness.hasReported else { return .max }
        let passed = now - idleness.since
        let limit = threshold.nanosecondsClamped
        guard passed >= limit else { return Int64(clamping: limit - passed) }
        idleness.hasReported = true
        reportStuckWaiters()
        return .max
    }

    private func reportStuckWaiters() {
        let waits = waitsNow()
        // A thread of a pool will wake the callers of `offload`, and these may then wake the others.
        guard !waits.isEmpty, !waits.contains(where: \.isWokenByThread) else { return }
        let shown = waits.prefix(20)
        let owners = owners(of: Set(shown.compactMap(\.task)))
        let list = shown.map { wait in "\n    \(wait.task.flatMap { owners[$0] } ?? "a task"): \(wait.description)" }.joined()
        let rest = waits.count > shown.count ? "\n    and \(waits.count - shown.count) more" : ""
        report(
            .stuck,
            "idle for \(configuration.stuckThreshold!) while \(waits.count) call(s) wait that only another thread can wake, "
                + "because this hub has no timer and no descriptor:\(list)\(rest)")
    }
}
