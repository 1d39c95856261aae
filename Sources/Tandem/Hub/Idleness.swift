internal import CTandem

/// What a hub does before it sleeps, beside sleeping: it hands back the memory of deep calls, and notices that its waiters are
/// stuck, or wait on numbers that other code has closed.
struct Idleness {
    /// Stacks looked at before the hub looks for work again.
    static let stacksPerTrim: Int = 64
    /// Descriptors that somebody waits on looked at in an audit.
    static let descriptorsPerAudit = 1_024

    /// When stacks are trimmed next, in nanoseconds of the real clock; 0 before there was something to trim.
    var nextTrim: UInt64 = 0
    // When descriptors are looked at next; 0 before there were any.
    fileprivate var nextAudit: UInt64 = 0
    // Since when there is nothing to do, and how many jobs had been run then.
    fileprivate var since: UInt64 = 0
    fileprivate var jobs: UInt64 = 0
    fileprivate var hasReported = false
}

extension Hub {
    /// Called before the poller is asked, for at most this many nanoseconds (negative: for ever). Returns how many it may be.
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
            // Whom it wakes is ready at once.
            if registrations.audit(limit: Idleness.descriptorsPerAudit) { return 0 }
        }
        return Int64(clamping: idleness.nextAudit - now)
    }

    private func timeToStuckReport(_ now: UInt64) -> Int64 {
        guard let threshold = configuration.stuckThreshold, waitsInUse > 0, timers.count == 0, registrations.count == 0 else {
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
        // Whoever waits for a pool's thread will be woken by it, and may then wake the others.
        guard !waits.isEmpty, !waits.contains(where: { $0.what.hasPrefix("offload") }) else { return }
        let shown = waits.prefix(20)
        let owners = owners(of: Set(shown.compactMap(\.task)))
        let list = shown.map { wait in "\n    \(wait.task.flatMap { owners[$0] } ?? "a task"): \(wait.description)" }.joined()
        let rest = waits.count > shown.count ? "\n    and \(waits.count - shown.count) more" : ""
        report(
            .stuck,
            "idle for \(configuration.stuckThreshold!) while \(waits.count) call(s) wait that no timer or descriptor of this hub "
                + "will end; only another thread can:\(list)\(rest)")
    }
}
