/// What a hub did in the last second, and the job that holds it: copied for the report of a stall.
struct FlightSnapshot: Sendable {
    /// The length of the part that is described, in nanoseconds.
    private static let length: UInt64 = 1_000_000_000
    /// The maximum number of slices that `lines` names.
    private static let shown = 10

    private let events: [FlightEvent]
    private let running: (job: UInt64, began: UInt64)?
    private let taken = FlightClock.now
    private let clock = FlightClock()

    /// Copies what the ring holds. Any thread; takes about a millisecond.
    init(of recorder: FlightRecorder) {
        running = recorder.runningJob
        var position: UInt64 = 0
        events = recorder.read(from: &position, atMost: FlightRecorder.capacity).events
    }

    /// The job that holds the hub, and the longest slices of the second before, a line each. Empty if the hub was not recorded.
    var lines: [String] {
        guard let running, !events.isEmpty else { return [] }
        var replay = FlightReplay(clock)
        let recent = events.compactMap { replay.slice(endingWith: $0) }.filter {
            $0.kind != .poll && $0.ended + Self.length >= taken
        }
        let held = clock.nanoseconds(running.began)
        return ["the job that holds it: \(replay.name(of: running.job) ?? Self.nameless), for \(Self.milliseconds(held, taken))"]
            + recent.sorted { $0.length > $1.length }.prefix(Self.shown).map { slice in
                """
                \(Self.milliseconds(slice.began, taken)) before the report: \(slice.name ?? Self.nameless), \
                \(slice.kind == .green ? "blocking" : "async"), ran \(Self.milliseconds(slice.began, slice.ended))
                """
            }
    }

    private static let nameless = "a task without a name"

    private static func milliseconds(_ began: UInt64, _ ended: UInt64) -> String {
        let microseconds = (ended - min(began, ended)) / 1_000
        let rest = String(microseconds % 1_000)
        return "\(microseconds / 1_000).\(String(repeating: "0", count: 3 - rest.utf8.count))\(rest) ms"
    }
}
