/// The counts of one migrating route on one hub.
struct MigrationTally: Sendable {
    typealias Report = MigrationReport

    /// The differences of one part.
    struct PartTally: Sendable {
        var candidates: UInt64 = 0
        var controls: UInt64 = 0
        /// The newest samples, at most `mostSamples`.
        var samples: [String] = []
    }

    static let mostSamples = 5
    /// The most parts that are told apart. JSON with names that clients choose may have any number.
    static let mostParts = 100
    /// The part that counts for those beyond.
    static let otherParts = AnswerDifference.Part(.body, "/… (more parts than are told apart)")

    /// Requests by handler and chooser. Plain numbers, because each request counts one of them.
    struct Requests: Sendable {
        private var numbers = InlineArray<8, UInt64>(repeating: 0)

        subscript(isNew: Bool, chooser: Int) -> UInt64 { numbers[(isNew ? 4 : 0) + chooser] }

        mutating func count(isNew: Bool, _ chooser: Chooser) { numbers[(isNew ? 4 : 0) + chooser.rawValue] &+= 1 }

        /// Counts this many requests that were chosen by share.
        mutating func add(_ count: UInt64, isNew: Bool) { numbers[(isNew ? 4 : 0) + Chooser.share.rawValue] &+= count }

        mutating func add(_ other: Requests) {
            for index in numbers.indices { numbers[index] &+= other.numbers[index] }
        }
    }

    var requests = Requests()
    private(set) var comparisons: [Report.Run: [Report.Outcome: UInt64]] = [:]
    private(set) var skipped: [Report.SkipReason: UInt64] = [:]
    private(set) var parts: [AnswerDifference.Part: PartTally] = [:]
    private(set) var ignored: [ComparisonResult.Ignored: UInt64] = [:]
    private(set) var durations: [Report.Run: Report.Durations] = [:]

    init() {}

    /// `MigrationReport.Chooser`, as a number.
    enum Chooser: Int {
        case share, override, `guard`, off
    }

    mutating func skip(_ reason: Report.SkipReason) { skipped[reason, default: 0] += 1 }

    mutating func count(_ run: Report.Run, _ outcome: Report.Outcome) { comparisons[run, default: [:]][outcome, default: 0] += 1 }

    mutating func took(_ run: Report.Run, nanoseconds: UInt64) { durations[run, default: .init()].add(nanoseconds: nanoseconds) }

    /// Counts the differences of one comparison.
    mutating func add(_ result: ComparisonResult, _ run: Report.Run, samples: MigrationConfiguration.Samples) {
        for difference in result.differences {
            let part = parts[difference.part] == nil && parts.count >= Self.mostParts ? Self.otherParts : difference.part
            if run == .control {
                parts[part, default: .init()].controls += 1
            } else {
                parts[part, default: .init()].candidates += 1
                keep(difference, part, samples)
            }
        }
        for (part, count) in result.ignored where ignored[part] != nil || ignored.count < Self.mostParts {
            ignored[part, default: 0] += UInt64(count)
        }
    }

    private mutating func keep(
        _ difference: AnswerDifference, _ part: AnswerDifference.Part, _ samples: MigrationConfiguration.Samples
    ) {
        var sample = difference.kind.rawValue
        if !difference.shape.isEmpty { sample += ": " + difference.shape }
        if samples == .body { sample += "; " + difference.excerpt }
        guard samples != .none else { return }
        var kept = parts[part]?.samples ?? []
        if kept.count >= Self.mostSamples { kept.removeFirst() }
        parts[part]?.samples = kept + [sample]
    }

    /// Adds the counts of another hub.
    mutating func add(_ other: MigrationTally) {
        requests.add(other.requests)
        comparisons.merge(other.comparisons) { $0.merging($1, uniquingKeysWith: +) }
        skipped.merge(other.skipped, uniquingKeysWith: +)
        ignored.merge(other.ignored, uniquingKeysWith: +)
        for (run, more) in other.durations { durations[run, default: .init()].add(more) }
        for (part, more) in other.parts {
            var tally = parts[part] ?? PartTally()
            tally.candidates += more.candidates
            tally.controls += more.controls
            tally.samples = Array((tally.samples + more.samples).suffix(Self.mostSamples))
            parts[part] = tally
        }
    }

    var requestsBySide: [Report.Side: [Report.Chooser: UInt64]] {
        var all: [Report.Side: [Report.Chooser: UInt64]] = [:]
        for side in Report.Side.allCases {
            for (index, chooser) in Report.Chooser.allCases.enumerated() where requests[side == .new, index] > 0 {
                all[side, default: [:]][chooser] = requests[side == .new, index]
            }
        }
        return all
    }
}

extension MigrationReport.Route {
    init(_ route: MigratingRoute, _ migration: Migration, _ tally: MigrationTally) {
        func compared(_ run: MigrationReport.Run) -> UInt64 { (tally.comparisons[run] ?? [:]).values.reduce(0, +) }
        let compared = (candidates: compared(.candidate), controls: compared(.control))
        let parts = tally.parts.map { part, tally in
            MigrationReport.PartReport(
                part: part, candidates: tally.candidates, controls: tally.controls, samples: tally.samples,
                verdict: MigrationVerdict(differing: (tally.candidates, tally.controls), of: compared))
        }
        self.init(
            method: route.method, path: route.path, migration: migration, oldStyle: route.pair.old.style,
            newStyle: route.pair.new.style, isRolledBack: route.guard.isLatched, rollbacks: route.guard.tripCount,
            requests: tally.requestsBySide, comparisons: tally.comparisons, skipped: tally.skipped,
            parts: parts.sorted { ($0.candidates, $1.part.description) > ($1.candidates, $0.part.description) },
            ignored: tally.ignored, durations: tally.durations)
    }
}
