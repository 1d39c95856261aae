internal import Tandem

/// A counter of an event that may happen very often, so that it is logged at most once per 10 seconds.
struct LogSampler {
    private static let interval = Duration.seconds(10)
    private var count = 0
    private var next = Deadline.after(.zero)

    /// Counts one event. Returns the number of events since the last returned number, or nil within 10 seconds of that.
    mutating func add() -> Int? {
        count += 1
        guard next <= .after(.zero) else { return nil }
        next = .after(LogSampler.interval)
        defer { count = 0 }
        return count
    }
}
