internal import Tandem

/// A counter for an event that may happen very often. It allows one log line per 10 seconds.
struct LogSampler {
    private static let interval = Duration.seconds(10)
    private var count = 0
    private var next = Deadline.after(.zero)

    /// Counts one event. Returns the number of events since it last returned a number, or nil if that was less than 10 seconds
    /// ago.
    mutating func add() -> Int? {
        count += 1
        guard next <= .after(.zero) else { return nil }
        next = .after(LogSampler.interval)
        defer { count = 0 }
        return count
    }
}
