internal import CTandem

/// The work of a hub before it sleeps: it gives memory of deep calls back to the kernel, closes descriptors whose numbers other
/// code has closed, and reports waiters that are stuck. Must be used on the hub's thread.
final class Idleness {
    /// The maximum number of stacks to trim before the hub looks for jobs again.
    static let stacksPerTrim: Int = 64
    /// The maximum number of waited-on descriptors to check in one audit.
    static let descriptorsPerAudit = 1_024

    // Parts and settings of the hub.
    private let stacks: StackPool
    private let waits: Waits
    private let registrations: Registrations
    private let pulse: UnsafeMutablePointer<tandem_pulse>
    private let trimsStacks: Bool
    private let auditInterval: Duration?
    private let stuckThreshold: Duration?
    /// The time when stacks are trimmed next, in nanoseconds of CLOCK_MONOTONIC; 0 before there was anything to trim.
    var nextTrim: UInt64 = 0
    /// The time when descriptors are checked next; 0 before there were any.
    private var nextAudit: UInt64 = 0
    /// The time when the hub last became idle; 0 while it is not.
    private var since: UInt64 = 0
    /// The number of jobs that had run when the hub became idle.
    private var jobs: UInt64 = 0
    private var hasReported = false

    init(
        _ configuration: HubConfiguration, _ pulse: UnsafeMutablePointer<tandem_pulse>, _ stacks: StackPool, _ waits: Waits,
        _ registrations: Registrations
    ) {
        self.stacks = stacks
        self.waits = waits
        self.registrations = registrations
        self.pulse = pulse
        trimsStacks = configuration.trimsStacks
        auditInterval = configuration.auditInterval
        stuckThreshold = configuration.stuckThreshold
    }

    /// Does the work that is due at `now`, in nanoseconds of CLOCK_MONOTONIC. Returns the nanoseconds until more is due: 0 if at
    /// once, `Int64.max` if never.
    func work(at now: UInt64, of hub: Unmanaged<Hub>) -> Int64 {
        min(trimIfDue(now), auditIfDue(now), reportStuckIfDue(now, hub))
    }

    private func trimIfDue(_ now: UInt64) -> Int64 {
        guard stacks.canTrim, trimsStacks else { return .max }
        if nextTrim == 0 { nextTrim = now + 1_000_000_000 }
        guard now >= nextTrim else { return Int64(clamping: nextTrim - now) }
        if stacks.trim(atMost: Idleness.stacksPerTrim) { return 0 }
        nextTrim = now + 1_000_000_000
        return .max
    }

    private func auditIfDue(_ now: UInt64) -> Int64 {
        guard let interval = auditInterval, registrations.count > 0 else { return .max }
        if nextAudit == 0 { nextAudit = now + interval.nanosecondsClamped }
        if now >= nextAudit {
            nextAudit = now + interval.nanosecondsClamped
            // Tasks that the audit has woken are ready now.
            if registrations.audit(limit: Idleness.descriptorsPerAudit) { return 0 }
        }
        return Int64(clamping: nextAudit - now)
    }

    private func reportStuckIfDue(_ now: UInt64, _ hub: Unmanaged<Hub>) -> Int64 {
        guard let threshold = stuckThreshold, waits.count > 0, waits.timerCount == 0, registrations.count == 0 else {
            since = 0
            return .max
        }
        if since == 0 || jobs != pulse.pointee.jobs {
            since = now
            jobs = pulse.pointee.jobs
            hasReported = false
        }
        guard !hasReported else { return .max }
        let passed = now - since
        let limit = threshold.nanosecondsClamped
        guard passed >= limit else { return Int64(clamping: limit - passed) }
        hasReported = true
        reportStuckWaiters(of: hub.takeUnretainedValue(), threshold)
        return .max
    }

    private func reportStuckWaiters(of hub: Hub, _ threshold: Duration) {
        let waits = waits.snapshot()
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
