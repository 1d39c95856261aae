internal import Tandem

/// The events that hubs have recorded in a window of time.
struct FlightRecording: Sendable {
    /// The events of one hub.
    struct HubEvents: Sendable {
        /// The hub's name, such as "tandemd-0".
        let name: String
        /// The kernel's id of the hub's thread.
        let thread: Int
        /// The events in order. Between two of these arrays, events were lost: they were overwritten before they were read.
        fileprivate(set) var runs: [[FlightEvent]] = [[]]
        /// The number of events that were lost.
        fileprivate(set) var lost: UInt64 = 0
        /// The names of the tasks that had begun before, by address.
        fileprivate(set) var taskNames: [UInt64: String] = [:]
        /// The job that ran at the end of the window, and the ticks at which it began.
        fileprivate(set) var running: (job: UInt64, began: UInt64)?
    }

    /// The maximum number of events of all hubs together. A recording that reaches it ends early.
    static let mostEvents = 200_000
    /// The time between two readings of a ring. Events are lost only if a hub records more than 65,535 of them between two readings.
    private static let interval = Duration.milliseconds(10)

    /// The maximum number of events per hub that are read after the window.
    private static let lastEvents = 4_096

    private(set) var hubs: [HubEvents]
    /// The window, in nanoseconds of CLOCK_MONOTONIC.
    let began: UInt64
    private(set) var ended: UInt64
    /// Whether the window is shorter than asked for, because there were too many events.
    private(set) var isTruncated = false
    /// Converts the ticks of the events.
    private(set) var clock = FlightClock()

    private var positions: [UInt64]
    private var count = 0

    /// Prepares a window that begins now. `FlightRecorder` must be recording.
    private init(_ hubs: [Hub]) {
        positions = hubs.map(\.flightRecorder.count)
        self.hubs = hubs.map { HubEvents(name: $0.shownName, thread: $0.threadID) }
        began = FlightClock.now
        ended = began
    }

    /// Records what `hubs` do for `length`. Must be called on a hub, which should not be one of them.
    ///
    /// - Throws: `CancellationError`.
    static func record(_ hubs: [Hub], for length: Duration, asking inquiry: HubInquiry) async throws -> FlightRecording {
        FlightRecorder.start()
        defer { FlightRecorder.stop() }
        var recording = FlightRecording(hubs)
        let deadline = recording.began + UInt64(length / .nanoseconds(1))
        // Besides, a hub that waits in the kernel wakes up, so that its wait before the window is recorded.
        let names = await inquiry.ask(hubs, within: .milliseconds(250)) { $0.taskNames }
        for index in hubs.indices { recording.hubs[index].taskNames = names[index].answer ?? [:] }
        while recording.count < mostEvents, case let now = FlightClock.now, now < deadline {
            try await sleep(for: min(interval, .nanoseconds(deadline - now)))
            for index in hubs.indices { recording.read(hubs[index], index, atMost: mostEvents - recording.count) }
        }
        recording.ended = FlightClock.now
        recording.isTruncated = recording.count >= mostEvents
        for index in hubs.indices { recording.hubs[index].running = hubs[index].flightRecorder.runningJob }
        // Again, so that the wait at the end of the window is recorded. A hub that does not answer runs the job that was read above.
        _ = await inquiry.ask(hubs, within: .milliseconds(250)) { _ in }
        for index in hubs.indices { recording.read(hubs[index], index, atMost: lastEvents) }
        recording.clock = FlightClock()
        return recording
    }

    /// Reads new events of a hub, at most `limit`.
    private mutating func read(_ hub: Hub, _ index: Int, atMost limit: Int) {
        var left = limit
        while left > 0 {
            let (events, lost) = hub.flightRecorder.read(from: &positions[index], atMost: min(16_384, left))
            if lost > 0 {
                hubs[index].lost += lost
                hubs[index].runs.append([])
            }
            guard !events.isEmpty else { return }
            hubs[index].runs[hubs[index].runs.count - 1] += events
            count += events.count
            left -= events.count
        }
    }
}
