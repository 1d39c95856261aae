internal import Synchronization

/// The guard of one route: it latches when the new handler errs more than the old one. Shared by the hubs of a server, without
/// locks. A request costs one addition; all else happens at an error.
///
/// A window begins with an error, and lasts a minute. Errors of two hubs at the same moment may be missing in the window that begins
/// then.
final class MigrationGuard: Sendable {
    /// When the guard acts.
    struct Limits: Sendable {
        /// Percentage points.
        let points: Double
        let minimum: Int
    }

    /// The number of requests by which the new handler's errors must exceed what the old one's rate would give.
    static let excess = 5.0
    /// The length of a window, in nanoseconds.
    static let window: UInt64 = 60_000_000_000
    /// The least number of requests of the old handler in a window for its error rate to count.
    private static let enough = 20

    /// Requests and errors of one handler, and those of them before the present window.
    private struct Counts: ~Copyable {
        let requests = Atomic(0)
        let errors = Atomic(0)
        private let requestsBefore = Atomic(0)
        private let errorsBefore = Atomic(0)

        func reset() {
            requests.store(0, ordering: .relaxed)
            errors.store(0, ordering: .relaxed)
            beginWindow(after: 0)
        }

        /// Begins a window; this many requests belong to it already.
        func beginWindow(after count: Int) {
            requestsBefore.store(requests.load(ordering: .relaxed) - count, ordering: .relaxed)
            errorsBefore.store(errors.load(ordering: .relaxed) - count, ordering: .relaxed)
        }

        var all: (requests: Double, errors: Double) {
            (Double(requests.load(ordering: .relaxed)), Double(errors.load(ordering: .relaxed)))
        }

        var inWindow: (requests: Double, errors: Double) {
            let all = all
            let before = (requestsBefore.load(ordering: .relaxed), errorsBefore.load(ordering: .relaxed))
            return (all.requests - Double(before.0), all.errors - Double(before.1))
        }
    }

    private let began = Atomic<UInt64>(0)
    private let hasBegun = Atomic(false)
    private let old = Counts()
    private let new = Counts()
    private let latched = Atomic(false)
    private let trips = Atomic(0)

    /// Whether the route has fallen back to its old handler.
    var isLatched: Bool { latched.load(ordering: .relaxed) }

    /// How often the route has fallen back.
    var tripCount: Int { trips.load(ordering: .relaxed) }

    /// Forgets everything except the number of trips, and how often the old handler has failed: that is the measure for the new one
    /// when it answers all requests.
    func reset() {
        old.beginWindow(after: 0)
        new.reset()
        hasBegun.store(false, ordering: .relaxed)
        latched.store(false, ordering: .relaxed)
    }

    /// Counts a request.
    func requestBegins(isNew: Bool) {
        if isNew { new.requests.wrappingAdd(1, ordering: .relaxed) } else { old.requests.wrappingAdd(1, ordering: .relaxed) }
    }

    /// Counts an error. Returns whether the guard has latched because of it. `now` is the time in nanoseconds, on a clock that all
    /// hubs share.
    func requestFailed(isNew: Bool, now: UInt64, _ limits: Limits) -> Bool {
        if isNew { new.errors.add(1, ordering: .relaxed) } else { old.errors.add(1, ordering: .relaxed) }
        let start = began.load(ordering: .relaxed)
        let isOver = now > start && now - start >= Self.window
        if isOver || !hasBegun.load(ordering: .relaxed),
            began.compareExchange(expected: start, desired: now, ordering: .relaxed).exchanged
        {
            hasBegun.store(true, ordering: .relaxed)
            old.beginWindow(after: isNew ? 0 : 1)
            new.beginWindow(after: isNew ? 1 : 0)
        }
        guard isNew, !isLatched, errsMore(limits) else { return false }
        guard latched.compareExchange(expected: false, desired: true, ordering: .relaxed).exchanged else { return false }
        trips.add(1, ordering: .relaxed)
        return true
    }

    private func errsMore(_ limits: Limits) -> Bool {
        let (new, old) = (new.inWindow, old.inWindow)
        // More errors than requests: some belong to requests that began before the last reset.
        guard new.requests > 0, new.errors <= new.requests, new.requests + old.requests >= Double(limits.minimum) else {
            return false
        }
        // Few requests of the old handler in this window say less than all of them.
        let base = old.requests >= Double(Self.enough) ? old : self.old.all
        let usual = base.requests > 0 ? base.errors / base.requests : 0
        return new.errors / new.requests - usual > limits.points / 100 && new.errors - usual * new.requests >= Self.excess
    }
}
