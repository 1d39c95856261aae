internal import Tandem

/// Counts what may happen very often, so that it is logged seldom.
struct Throttle {
    private static let interval = Duration.seconds(10)
    private var count = 0
    private var next = Deadline.after(.zero)

    /// Counts one. Returns how many there have been since the last time that it returned a number, when that is long enough ago.
    mutating func add() -> Int? {
        count += 1
        guard next <= .after(.zero) else { return nil }
        next = .after(Throttle.interval)
        defer { count = 0 }
        return count
    }
}
