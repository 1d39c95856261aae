internal import Tandem

/// A recording as a trace that Perfetto opens.
///
/// The thread of each hub has one row. Its polls and its turns tile the window; jobs lie in turns, and slices of green threads in jobs.
/// Requests, fetches and waits have rows of their own, because they go on while the thread does something else. An arrow leads from the
/// place where a task was woken to the job in which that task went on.
struct ChromeTrace: Sendable {
    private static let eventsPerPiece = 512

    private let process: Int
    private let otherData: JSON
    private var events: [TraceEvent] = []

    /// Makes the trace of a recording. Takes up to some seconds on a busy machine: do not call it on a hub.
    ///
    /// - Parameters:
    ///   - service: The name and version of the service.
    ///   - process: The number of the process.
    init(_ recording: FlightRecording, service: String, process: Int) {
        self.process = process
        otherData = [
            "service": .string(service),
            "clock": "CLOCK_MONOTONIC",
            "startNanoseconds": .integer(Int(recording.began)),
            "windowNanoseconds": .integer(Int(recording.ended - recording.began)),
            "truncated": .boolean(recording.isTruncated),
            "lostRecords": .object(
                recording.hubs.map { .init(name: $0.name, value: .integer(Int(clamping: $0.lost))) }),
        ]
        events.append(
            TraceEvent(
                phase: .metadata, name: "process_name", category: .none, time: 0, thread: 0, detail: .text("name", service)))
        var lastID: UInt64 = 0
        for (index, hub) in recording.hubs.enumerated() {
            let thread = Int32(truncatingIfNeeded: hub.thread)
            for (name, detail) in [
                ("thread_name", TraceEvent.Detail.text("name", hub.name)), ("thread_sort_index", .number("sort_index", index)),
            ] {
                events.append(
                    TraceEvent(phase: .metadata, name: name, category: .none, time: 0, thread: thread, detail: detail))
            }
            var hubEvents = HubTrace(
                thread: thread, from: recording.began, to: recording.ended, clock: recording.clock, lastID: lastID)
            hubEvents.add(hub)
            events += hubEvents.events
            lastID = hubEvents.lastID
        }
        // The viewers read events in order. Of those with the same time, the longer comes first, because it encloses the others.
        // An arrow, which has an id, comes behind the instant at which it begins.
        events.sort { ($0.time, $1.length, $0.depth, $0.id) < ($1.time, $0.length, $1.depth, $1.id) }
    }

    /// The number of pieces of the JSON text.
    var pieceCount: Int { events.count / Self.eventsPerPiece + 2 }

    /// Returns a piece of the JSON text: some 50 KB.
    func piece(_ index: Int) -> [UInt8] {
        if index == 0 { return Array(#"{"displayTimeUnit":"ns","traceEvents":["#.utf8) }
        var text: [UInt8] = []
        let first = (index - 1) * Self.eventsPerPiece
        for position in first..<min(first + Self.eventsPerPiece, events.count) {
            if position > 0 { text += ",\n".utf8 }
            events[position].write(to: &text, process: process)
        }
        guard index == pieceCount - 1 else { return text }
        text += #"],"otherData":"#.utf8
        text += otherData.bytes
        text += "}\n".utf8
        return text
    }
}
