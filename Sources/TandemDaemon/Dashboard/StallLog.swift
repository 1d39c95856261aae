internal import Synchronization
internal import Tandem

/// The stalls that the watchdog has reported, by hub and by the green thread's name; those of async code have one entry per hub. Any thread.
final class StallLog: Sendable {
    /// What one piece of code has done.
    struct Entry: Sendable {
        let hub: String
        /// A green thread by its name, or "async code".
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

    /// The maximum number of entries, besides those that still hold a hub. The one that was reported longest ago makes room.
    private static let limit = 64

    private let entries = Mutex<[Key: Entry]>([:])

    /// Adds a report of a hub; ignores those of other kinds.
    func add(_ report: HubReport) {
        guard let holder = report.holder, let held = report.held else { return }
        let name =
            switch holder {
            // Each request has another green thread.
            case .greenThread(_, let name): "green thread \"\(name)\""
            case .asyncCode: "async code"
            }
        let key = Key(hub: report.shownName, holder: name)
        let now = ContinuousClock.now
        entries.withLock { entries in
            guard report.kind == .stalled || entries[key] != nil else { return }
            var entry = entries[key] ?? Entry(hub: key.hub, holder: name, last: now, held: held)
            if report.kind == .stalled {
                entry.count += 1
                entry.stack = report.stack
            }
            (entry.isHolding, entry.last, entry.held) = (report.kind == .stalled, now, held)
            entry.longest = max(entry.longest, held)
            entries[key] = entry
            guard entries.count > Self.limit else { return }
            let ended = entries.filter { !$0.value.isHolding }
            if let oldest = ended.min(by: { $0.value.last < $1.value.last }) { entries[oldest.key] = nil }
        }
    }

    /// The entries, the last reported first.
    var all: [Entry] { entries.withLock { Array($0.values) }.sorted { $0.last > $1.last } }
}
