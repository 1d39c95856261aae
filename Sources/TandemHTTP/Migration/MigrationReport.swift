public import HTTPTypes

/// The state of all migrating routes of a server, added up over its hubs.
public struct MigrationReport: Sendable {
    /// One of the two handlers of a route.
    public enum Side: String, Sendable, Hashable, CaseIterable {
        /// The handler that is to be replaced.
        case old
        /// The handler that replaces it.
        case new
    }

    /// What selected the handler of a request.
    public enum Chooser: String, Sendable, Hashable, CaseIterable {
        /// The route's mode.
        case share
        /// The override field of the request.
        case override
        /// The guard, which has fallen back to the old handler.
        case `guard`
        /// The kill switch.
        case off
    }

    /// A run of a handler that is measured.
    public enum Run: String, Sendable, Hashable, CaseIterable {
        /// The run that answered a sampled request.
        case answer
        /// The shadow of the other handler.
        case candidate
        /// The shadow of the handler that answered.
        case control
    }

    /// The outcome of a comparison.
    public enum Outcome: String, Sendable, Hashable, CaseIterable {
        /// The answers are equal.
        case match
        /// The answers differ only in parts that the comparison ignores.
        case ignored
        /// The answers differ.
        case differs
        /// The shadow threw an error other than an `HTTPError`.
        case failed
        /// The shadow did not end in time, and was cancelled.
        case timeout
    }

    /// Why a request was sampled and no shadow ran or was compared.
    public enum SkipReason: String, Sendable, Hashable, CaseIterable {
        /// Too many sampled requests were in flight.
        case limit
        /// The hub was busy: its turns were long, or it had many green threads.
        case busy
        /// The request's body is too long, or the handler has not read it to the end.
        case body
        /// The answer is too long.
        case size
        /// The server drains.
        case draining
        /// The client or the server ended the request before it was answered in full, or the answer took too long.
        case cancelled
        /// A middleware answered, or passed on another request.
        case middleware
    }

    /// Durations of runs, counted in powers of two.
    public struct Durations: Sendable, Hashable {
        /// Element i counts the runs that took less than 2^i nanoseconds and at least half of that. The last one also counts all
        /// longer ones.
        public private(set) var counts = [UInt64](repeating: 0, count: 40)
        /// All durations together, in nanoseconds.
        public private(set) var totalNanoseconds: UInt64 = 0

        /// The number of runs.
        public var count: UInt64 { counts.reduce(0, +) }

        /// Returns a time that at least this part of the runs did not exceed, within a factor of two. Zero without runs.
        ///
        /// - Parameter part: The quantile, from 0 to 1.
        public func quantile(_ part: Double) -> Duration {
            let wanted = part * Double(count)
            var seen: UInt64 = 0
            for (index, number) in counts.enumerated() {
                seen += number
                if number > 0, Double(seen) >= wanted { return .nanoseconds(Int64(1) << index) }
            }
            return .zero
        }

        mutating func add(nanoseconds: UInt64) {
            counts[min(64 - nanoseconds.leadingZeroBitCount, counts.count - 1)] += 1
            totalNanoseconds &+= nanoseconds
        }

        mutating func add(_ other: Durations) {
            for index in counts.indices { counts[index] += other.counts[index] }
            totalNanoseconds &+= other.totalNanoseconds
        }
    }

    /// A part that has differed.
    public struct PartReport: Sendable {
        /// The part.
        public let part: AnswerDifference.Part
        /// The number of candidates in which it differed.
        public let candidates: UInt64
        /// The number of controls in which it differed.
        public let controls: UInt64
        /// The newest differences of candidates, without data of clients unless `MigrationConfiguration.samples` says so.
        public let samples: [String]
        /// Whether the difference is one of the handlers.
        public let verdict: MigrationVerdict
    }

    /// The state of one route.
    public struct Route: Sendable {
        /// The method that the route was registered with.
        public let method: HTTPRequest.Method
        /// The route's path.
        public let path: String
        /// The mode: that of the configuration, or that of the code.
        public let migration: Migration
        /// The style of the old handler.
        public let oldStyle: RouteDescription.Style
        /// The style of the new handler.
        public let newStyle: RouteDescription.Style
        /// Whether the guard has fallen back to the old handler.
        public let isRolledBack: Bool
        /// How often the guard has fallen back.
        public let rollbacks: Int
        /// The number of requests by handler and by what selected it.
        public let requests: [Side: [Chooser: UInt64]]
        /// The number of comparisons by run and outcome.
        public let comparisons: [Run: [Outcome: UInt64]]
        /// The number of samples that were not compared, by reason.
        public let skipped: [SkipReason: UInt64]
        /// The parts that have differed.
        public let parts: [PartReport]
        /// The number of ignored differences, by part and reason.
        public let ignored: [ComparisonResult.Ignored: UInt64]
        /// The durations of runs of sampled requests: of the answering handler, of candidates and of controls. Compare candidates
        /// with controls: both run after the answer, with what the first run has left in caches.
        public let durations: [Run: Durations]

        /// The number of comparisons of one kind. A run that had no answer in time is one; it differs.
        public func compared(_ run: Run) -> UInt64 { (comparisons[run] ?? [:]).values.reduce(0, +) }

        /// The verdict on the route: `differs` if a part does, `needsData` if there are too few comparisons, otherwise `same`.
        public var verdict: MigrationVerdict {
            if parts.contains(where: { $0.verdict == .differs }) { return .differs }
            return compared(.candidate) < MigrationVerdict.leastCandidates ? .needsData : .same
        }
    }

    /// Whether routes migrate at all: `MigrationConfiguration.isEnabled`.
    public let isEnabled: Bool
    /// The migrating routes, in the order in which they were added.
    public let routes: [Route]
    /// The number of sampled requests in flight.
    public let inFlight: Int
    /// The hubs that did not answer in time. Their numbers are those of their last answer.
    public let hubsWithoutAnswer: Int
}

/// Whether the two handlers of a route answer alike.
public enum MigrationVerdict: String, Sendable, Hashable, CaseIterable {
    /// The answers are equal, or the parts that differ also differ between two runs of one handler.
    case same
    /// The answers differ.
    case differs
    /// There are too few comparisons to tell.
    case needsData = "needs-data"

    /// The number of candidates that a verdict needs.
    static let leastCandidates: UInt64 = 200

    /// Judges a part. It differs if candidates differ more often than controls, by more than 20 % of both rates together and by more
    /// than 0.03 percentage points. If controls differ too, the rates must also be further apart than chance explains: three
    /// standard errors.
    init(differing: (candidates: UInt64, controls: UInt64), of compared: (candidates: UInt64, controls: UInt64)) {
        guard compared.candidates >= Self.leastCandidates else {
            self = .needsData
            return
        }
        let (candidates, controls) = (Double(compared.candidates), Double(max(compared.controls, 1)))
        let (raw, noise) = (Double(differing.candidates) / candidates, Double(differing.controls) / controls)
        let pooled = Double(differing.candidates + differing.controls) / (candidates + controls)
        let chance = differing.controls == 0 ? 0 : 9 * pooled * (1 - pooled) * (1 / candidates + 1 / controls)
        let gap = raw - noise
        self = gap > 0.000_3 && gap > 0.2 * (raw + noise) && gap * gap > chance ? .differs : .same
    }
}
