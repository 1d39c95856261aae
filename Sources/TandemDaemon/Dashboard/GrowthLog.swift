internal import Synchronization

/// Counters of losses, which matter only while they grow. Any thread.
final class GrowthLog: Sendable {
    /// Something that the service loses.
    enum Loss: String, CaseIterable, Sendable { case connections, logLines, spans }

    /// A counter that has grown in the last minute.
    struct Growth: Sendable {
        let total: Int
        let secondsAgo: Int
    }

    /// How long a counter counts as growing.
    static let memory = Duration.seconds(60)

    private struct Entry {
        var value: Int
        var noted: ContinuousClock.Instant
        var grew: ContinuousClock.Instant?
    }

    private let entries = Mutex<[Loss: Entry]>([:])

    /// Notes the present values, and returns those that are known to have grown in the last minute. A first look does not tell when.
    func note(_ values: [Loss: Int], now: ContinuousClock.Instant = .now) -> [Loss: Growth] {
        entries.withLock { entries in
            var grown: [Loss: Growth] = [:]
            for (loss, value) in values {
                var entry = entries[loss] ?? Entry(value: value, noted: now)
                if value > entry.value, now - entry.noted < Self.memory { entry.grew = now }
                (entry.value, entry.noted) = (value, now)
                entries[loss] = entry
                guard let grew = entry.grew, now - grew < Self.memory else { continue }
                grown[loss] = Growth(total: value, secondsAgo: Int((now - grew) / .seconds(1)))
            }
            return grown
        }
    }
}
