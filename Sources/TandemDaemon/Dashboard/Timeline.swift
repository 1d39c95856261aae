internal import Synchronization
internal import Tandem

/// What the hubs did since the last reading, for the dashboard's timeline.
struct TimelineState: Codable, Sendable {
    struct Running: Codable, Sendable {
        let name: String
        let style: String
        /// Microseconds of the monotonic clock.
        let since: Int
    }

    struct Hub: Codable, Sendable {
        let hub: String
        /// The number of events that were overwritten before they could be read.
        let lost: Int
        /// The number of the first bin.
        let first: Int
        /// Per bin: percent in blocking code, in async code and in the loop; calls of bridges; stalls.
        let bins: [[Int]]
        /// The job that runs now; nil between jobs.
        let running: Running?
    }

    struct Slice: Codable, Sendable {
        let hub: String
        let name: String
        let style: String
        /// Microseconds of the monotonic clock.
        let began: Int
        let microseconds: Int
    }

    let binMicroseconds: Int
    /// Microseconds of the monotonic clock.
    let now: Int
    let hubs: [Hub]
    /// The longest slices that ended since the last reading, at most 50.
    let longest: [Slice]
}

/// Reads the flight recorders of the hubs while a viewer is at the timeline. Must be used on the supervising hub.
final class Timeline: Sendable {
    /// The time between two readings.
    static let interval = Duration.milliseconds(250)
    /// The most events of a hub that one reading takes. The newest count: the rest are lost.
    private static let mostEvents: UInt64 = 32_768

    private struct State {
        var positions: [ObjectIdentifier: UInt64] = [:]
        var bins: [ObjectIdentifier: TimelineBins] = [:]
        /// The hubs whose names of tasks were lost with events.
        var nameless: Set<ObjectIdentifier> = []
    }

    private let hubs: @Sendable () -> [Hub]
    private let inquiry: HubInquiry
    /// The styles of routes by name: "GET /title".
    private let styles: [String: String]
    private let state = Mutex(State())
    private let watch = Watch()
    private let lease: Duration
    private let pool: OffloadPool

    /// - Parameters:
    ///   - hubs: Returns the hubs.
    ///   - styles: The styles of routes by name.
    ///   - lease: How long the hubs record after the last reading.
    ///   - pool: Runs what takes too long for a hub.
    ///   - inquiry: Asks the hubs.
    init(
        _ hubs: @escaping @Sendable () -> [Hub], styles: [String: String], lease: Duration, pool: OffloadPool,
        asking inquiry: HubInquiry
    ) {
        self.hubs = hubs
        self.pool = pool
        self.lease = lease
        self.styles = styles
        self.inquiry = inquiry
    }

    /// Returns what the hubs did since the last reading. The first reading starts the recorders, which stop when the lease ends.
    func read() async throws -> TimelineState {
        watch.renew(for: lease, onBegin: FlightRecorder.start) { [self] in
            FlightRecorder.stop()
            state.withLock { $0 = State() }
        }
        let known = state.withLock { Set($0.bins.keys).subtracting($0.nameless) }
        // A hub that waits in the kernel wakes up, so that its wait is recorded up to now.
        let names = await inquiry.ask(hubs(), within: .milliseconds(50)) { hub in
            known.contains(ObjectIdentifier(hub)) ? [:] : hub.taskNames
        }
        // Takes milliseconds under load.
        return try await pool.run(deadline: .after(StateReader.limit)) { [self] in
            state.withLock { state in
                read(names.map { ($0.hub, $0.answer ?? [:]) }, &state)
            }
        }
    }

    private func read(_ hubs: [(hub: Hub, names: [UInt64: String])], _ state: inout State) -> TimelineState {
        let (clock, now) = (FlightClock(), FlightClock.now)
        var longest: [TimelineState.Slice] = []
        let read = hubs.map { hub, names in
            let key = ObjectIdentifier(hub)
            let recorder = hub.flightRecorder
            let count = recorder.count
            var position = state.positions[key] ?? count
            var bins = state.bins[key] ?? TimelineBins(clock, now: now)
            bins.prepare(clock, names)
            var lost: UInt64 = 0
            if count - position > Self.mostEvents {
                lost = count - Self.mostEvents - position
                position = count - Self.mostEvents
            }
            while position < count {
                let (events, overwritten) = recorder.read(from: &position, atMost: 8_192)
                lost += overwritten
                if lost > 0, let first = events.first, overwritten > 0 || !bins.isAfterLoss {
                    // What comes after the loss begins here. The names of tasks are asked for again.
                    bins = TimelineBins(clock, now: clock.nanoseconds(first.ticks))
                    bins.isAfterLoss = true
                }
                for event in events { bins.add(event, clock) }
                if events.isEmpty { break }
            }
            let running = recorder.runningJob.map { job in
                let name = bins.name(of: job.job) ?? "task"
                return TimelineState.Running(
                    name: name, style: styles[name] ?? "async", since: Int(clock.nanoseconds(job.began) / 1_000))
            }
            let (first, values) = bins.take()
            longest += bins.takeLongest().map { slice in
                TimelineState.Slice(
                    hub: hub.shownName, name: slice.name ?? "task", style: slice.kind == .green ? "blocking" : "async",
                    began: Int(slice.began / 1_000), microseconds: Int(slice.length / 1_000))
            }
            bins.isAfterLoss = false
            state.positions[key] = position
            state.bins[key] = bins
            if lost > 0 { state.nameless.insert(key) } else { state.nameless.remove(key) }
            return TimelineState.Hub(
                hub: hub.shownName, lost: Int(clamping: lost), first: Int(first), bins: values, running: running)
        }
        return TimelineState(
            binMicroseconds: Int(TimelineBins.length / 1_000), now: Int(now / 1_000), hubs: read,
            longest: Array(longest.sorted { $0.microseconds > $1.microseconds }.prefix(50)))
    }
}
