internal import Tandem

/// A recording as a trace that Perfetto and chrome://tracing open.
///
/// The thread of each hub has one row. Its polls and its turns tile the window; jobs lie in turns, and slices of green threads in jobs.
/// Requests, fetches and waits have rows of their own, because they go on while the thread does something else. An arrow leads from the code
/// that woke a task to the job in which that task went on.
struct ChromeTrace {
    private let recording: FlightRecording
    private let service: String
    private let process: Int
    private var events: [TraceEvent] = []
    private var lastID: UInt64 = 0

    /// Makes the trace of a recording. Takes up to a second: do not call it on a hub.
    ///
    /// - Parameters:
    ///   - service: The name and version of the service.
    ///   - process: The number of the process.
    init(_ recording: FlightRecording, service: String, process: Int) {
        self.recording = recording
        self.service = service
        self.process = process
        events.append(
            TraceEvent(
                phase: .metadata, name: "process_name", category: "", time: 0, thread: 0,
                arguments: [.init(name: "name", value: .string(service))]))
        for (index, hub) in recording.hubs.enumerated() { add(hub, sortedAt: index) }
        // The viewers read events in order. Of those with the same time, the longer comes first, because it encloses the others.
        events.sort { ($0.time, $1.length) < ($1.time, $0.length) }
    }

    /// The trace as JSON text, in pieces. It has at most 64 MiB: what comes later is left out.
    var pieces: [[UInt8]] {
        var pieces: [[UInt8]] = []
        var piece = Array(#"{"displayTimeUnit":"ns","traceEvents":["#.utf8)
        var size = 0
        var isCut = false
        for (index, event) in events.enumerated() {
            if index > 0 { piece += ",\n".utf8 }
            event.write(to: &piece, process: process)
            guard piece.count >= 65_536 else { continue }
            size += piece.count
            pieces.append(piece)
            piece.removeAll(keepingCapacity: true)
            isCut = size >= Self.mostBytes
            if isCut { break }
        }
        piece += #"],"otherData":"#.utf8
        piece += otherData(isTruncated: recording.isTruncated || isCut).bytes
        piece += "}\n".utf8
        return pieces + [piece]
    }

    private static let mostBytes = 64 << 20

    private func otherData(isTruncated: Bool) -> JSON {
        [
            "service": .string(service),
            "clock": "CLOCK_MONOTONIC",
            "startNanoseconds": .integer(Int(recording.began)),
            "windowNanoseconds": .integer(Int(recording.ended - recording.began)),
            "truncated": .boolean(isTruncated),
            "lostRecords": .object(
                recording.hubs.map { .init(name: $0.name, value: .integer(Int(clamping: $0.lost))) }),
        ]
    }

    // MARK: One hub

    private mutating func add(_ hub: FlightRecording.HubEvents, sortedAt index: Int) {
        for (name, value) in [("thread_name", JSON.string(hub.name)), ("thread_sort_index", .integer(index))] {
            events.append(
                TraceEvent(
                    phase: .metadata, name: name, category: "", time: 0, thread: hub.thread,
                    arguments: [.init(name: name == "thread_name" ? "name" : "sort_index", value: value)]))
        }
        var row = HubRow(thread: hub.thread, from: recording.began, to: recording.ended, clock: recording.clock, lastID: lastID)
        row.replay(hub)
        events += row.events
        lastID = row.lastID
    }
}
