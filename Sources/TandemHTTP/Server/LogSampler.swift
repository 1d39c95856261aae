internal import Tandem

/// Counts an event that may happen very often, so that it is logged at most every 10 seconds.
struct LogSampler {
    private static let interval = Duration.seconds(10)
    private var count = 0
    private var next = Deadline.after(.zero)

    /// Counts one event. Returns how many there have been since it last returned a number, when that is 10 seconds ago.
    mutating func add() -> Int? {
        count += 1
        guard next <= .after(.zero) else { return nil }
        next = .after(LogSampler.interval)
        defer { count = 0 }
        return count
    }
}
