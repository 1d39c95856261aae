/// How long the phases of a stop may take, from the call on.
struct StopPlan: Sendable {
    /// Until no more connections are accepted.
    var delay: Duration
    /// Until what is left is cut, the delay included.
    var total: Duration

    init(delay: Duration, grace: Duration) {
        self.delay = max(delay, .zero)
        total = self.delay + max(grace, .zero)
    }

    /// A later call can shorten a stop, and never lengthen it.
    mutating func shorten(to other: StopPlan) {
        delay = min(delay, other.delay)
        total = min(total, other.total)
    }
}
