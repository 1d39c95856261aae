internal import Synchronization
internal import Tandem

/// The stalls that the watchdog has reported, by hub and by the code that held it. Any thread.
final class StallLog: Sendable {
    /// What one piece of code has done.
    struct Entry: Sendable {
        let hub: String
        /// A green thread by name, or "async code".
        let holder: String
        var count = 0
        var longest: Duration = .zero
        /// The time of the last report, and how long that code had then held the hub.
        var last: ContinuousClock.Instant
        var held: Duration
        /// Whether the code still holds the hub.
        var isHolding = true
        var stack: StackTrace?

        /// The time at which the last stall began.
        var began: ContinuousClock.Instant { last - held }
    }

    private struct Key: Hashable {
        let hub: String
        let holder: String
    }

    /// The maximum number of entries. The one that was reported longest ago makes room.
    private static let limit = 64

    private let entries = Mutex<[Key: Entry]>([:])

    /// Adds a report of a hub; ignores those of other kinds.
    func add(_ report: HubReport) {
        guard let holder = report.holder, let held = report.held else { return }
        // The number of the green thread is of no use in a list: "green thread 4 \"GET /slow\"".
        let name = Self.name(holder)
        let key = Key(hub: "\(report.hubName)-\(report.hubIndex)", holder: name)
        let now = ContinuousClock.now
        entries.withLock { entries in
            var entry = entries[key] ?? Entry(hub: key.hub, holder: name, last: now, held: held)
            if report.kind == .stalled {
                entry.count += 1
                entry.stack = report.stack
            }
            (entry.isHolding, entry.last, entry.held) = (report.kind == .stalled, now, held)
            entry.longest = max(entry.longest, held)
            entries[key] = entry
            if entries.count > Self.limit, let oldest = entries.min(by: { $0.value.last < $1.value.last }) {
                entries[oldest.key] = nil
            }
        }
    }

    /// The entries, the last reported first.
    var all: [Entry] { entries.withLock { Array($0.values) }.sorted { $0.last > $1.last } }

    /// Returns the text without the number of a green thread.
    private static func name(_ holder: String) -> String {
        guard let quote = holder.firstIndex(of: "\"") else { return holder }
        return "green thread \(holder[quote...])"
    }
}
