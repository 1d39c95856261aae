internal import CTandem

/// The work of a hub before it sleeps: it gives memory of deep calls back to the kernel, closes descriptors whose numbers other
/// code has closed, and reports waiters that are stuck. Must be used on the hub's thread.
final class Idleness {
    /// The maximum number of stacks to trim before the hub looks for jobs again.
    static let stacksPerTrim: Int = 64
    /// The maximum number of waited-on descriptors to check in one audit.
    static let descriptorsPerAudit = 1_024

    // Owned by the hub.
    private unowned(unsafe) let hub: Hub
    /// The time when stacks are trimmed next, in nanoseconds of CLOCK_MONOTONIC; 0 before there was anything to trim.
    var nextTrim: UInt64 = 0
    /// The time when descriptors are checked next; 0 before there were any.
    private var nextAudit: UInt64 = 0
    /// The time when the hub last became idle, and the number of jobs that had run by then.
    private var since: UInt64 = 0
    private var jobs: UInt64 = 0
    private var hasReported = false

    init(of hub: Hub) { self.hub = hub }

    /// Does the work that is due at `now`, in nanoseconds of CLOCK_MONOTONIC. Returns the nanoseconds until more is due: 0 if at
    /// once, `Int64.max` if never.
    func work(at now: UInt64) -> Int64 { min(timeToTrim(now), timeToAudit(now), timeToStuckReport(now)) }

    private func timeToTrim(_ now: UInt64) -> Int64 {
        guard hub.stacks.canTrim, hub.configuration.trimsStacks else { return .max }
        if nextTrim == 0 { nextTrim = now + 1_000_000_000 }
        guard now >= nextTrim else { return Int64(clamping: nextTrim - now) }
        if hub.stacks.trim(atMost: Idleness.stacksPerTrim) { return 0 }
        nextTrim = now + 1_000_000_000
        return .max
    }

    private func timeToAudit(_ now: UInt64) -> Int64 {
        guard let interval = hub.configuration.auditInterval, hub.registrations.count > 0 else { return .max }
        if nextAudit == 0 { nextAudit = now + interval.nanosecondsClamped }
        if now >= nextAudit {
            nextAudit = now + interval.nanosecondsClamped
            // Tasks that the audit has woken are ready now.
            if hub.registrations.audit(limit: Idleness.descriptorsPerAudit) { return 0 }
        }
        return Int64(clamping: nextAudit - now)
    }

    private func timeToStuckReport(_ now: UInt64) -> Int64 {
        guard let threshold = hub.configuration.stuckThreshold, hub.waits.count > 0, hub.waits.timerCount == 0,
            hub.registrations.count == 0
        else {
            since = 0
            return .max
        }
        if since == 0 || jobs != hub.pulse.pointee.jobs {
            since = now
            jobs = hub.pulse.pointee.jobs
            hasReported = false
        }
        guard !hasReported else { return .max }
        let passed = now - since
        let limit = threshold.nanosecondsClamped
        guard passed >= limit else { return Int64(clamping: limit - passed) }
        hasReported = true
        reportStuckWaiters(threshold)
        return .max
    }

    private func reportStuckWaiters(_ threshold: Duration) {
        let waits = hub.waits.snapshot()
        // A thread of a pool will wake the callers of `offload`, and these may then wake the others.
        guard !waits.isEmpty, !waits.contains(where: \.isWokenByThread) else { return }
        let shown = waits.prefix(20)
        let owners = HubInspector(hub).owners(of: Set(shown.compactMap(\.task)))
        let list = shown.map { wait in "\n    \(wait.task.flatMap { owners[$0] } ?? "a task"): \(wait.description)" }.joined()
        let rest = waits.count > shown.count ? "\n    and \(waits.count - shown.count) more" : ""
        hub.report(
            .stuck,
            "idle for \(threshold) while \(waits.count) call(s) wait that only another thread can wake, "
                + "because this hub has no timer and no descriptor:\(list)\(rest)")
    }
}
