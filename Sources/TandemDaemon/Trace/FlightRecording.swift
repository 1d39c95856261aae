internal import Tandem

/// What some hubs did in a window of time, as their flight recorders have it.
struct FlightRecording: Sendable {
    /// The events of one hub.
    struct HubEvents: Sendable {
        /// The hub's name, such as "tandemd-0".
        let name: String
        /// The kernel's id of the hub's thread.
        let thread: Int
        var events: [FlightEvent] = []
        /// The number of events that were overwritten before they were read.
        var lost: UInt64 = 0
        /// The names of the tasks that had begun before, by address.
        var taskNames: [UInt64: String] = [:]
        /// The job that ran at the end, and the ticks at which it began.
        var running: (job: UInt64, began: UInt64)?
    }

    /// The maximum number of events of all hubs together. A recording that reaches it ends early.
    static let mostEvents = 500_000
    /// The time between two readings of a ring. A hub would have to record 65,536 events in it for any to be lost.
    private static let interval = Duration.milliseconds(10)

    private(set) var hubs: [HubEvents]
    /// The window, in nanoseconds of CLOCK_MONOTONIC.
    private(set) var began: UInt64
    private(set) var ended: UInt64
    /// Whether the window is shorter than asked for, because there were too many events.
    private(set) var isTruncated = false
    /// Converts the ticks of the events.
    private(set) var clock: FlightClock

    /// Records `hubs` for `length`. Must be called on a hub, which should not be one of them.
    ///
    /// - Throws: `CancellationError`.
    init(_ hubs: [Hub], for length: Duration, asking inquiry: HubInquiry) async throws {
        FlightRecorder.start()
        defer { FlightRecorder.stop() }
        // A hub that waits in the kernel wakes up, so that the wait before the window has an end.
        let names = await inquiry.ask(hubs, within: .milliseconds(250)) { ($0.taskNames, $0.threadID) }
        var found = names.map {
            HubEvents(name: $0.hub.shownName, thread: $0.answer?.1 ?? 0, taskNames: $0.answer?.0 ?? [:])
        }
        var positions = hubs.map(\.flightRecorder.count)
        let start = FlightClock.now
        let deadline = start + UInt64(length / .nanoseconds(1))
        var count = 0
        var isFull = false
        while !isFull, case let now = FlightClock.now, now < deadline {
            try await sleep(for: min(Self.interval, .nanoseconds(deadline - now)))
            for index in hubs.indices {
                count += Self.read(hubs[index], &positions[index], &found[index], atMost: Self.mostEvents - count)
            }
            isFull = count >= Self.mostEvents
        }
        let end = FlightClock.now
        // Again, so that the wait at the end of the window is complete. A job that still runs is known to the recorder.
        _ = await inquiry.ask(hubs, within: .milliseconds(250)) { _ in }
        for index in hubs.indices {
            _ = Self.read(hubs[index], &positions[index], &found[index], atMost: 16_384)
            found[index].running = hubs[index].flightRecorder.runningJob
        }
        self.hubs = found
        began = start
        ended = end
        isTruncated = isFull
        clock = FlightClock()
    }

    /// Appends the events of a hub since `position`. Returns how many there were.
    private static func read(_ hub: Hub, _ position: inout UInt64, _ found: inout HubEvents, atMost limit: Int) -> Int {
        var count = 0
        while count < limit {
            let (events, lost) = hub.flightRecorder.read(from: &position, atMost: min(16_384, limit - count))
            found.lost += lost
            guard !events.isEmpty else { break }
            found.events += events
            count += events.count
        }
        return count
    }
}
