internal import Tandem
internal import TandemHTTP

/// The trace events of one hub.
struct HubTrace {
    /// A request or a fetch that has begun.
    private struct Open {
        let name: String
        let id: UInt64
        let category: TraceEvent.Category
    }

    /// What identifies an open request or fetch.
    private enum Key: Hashable {
        /// A request, by its task.
        case request(UInt64)
        /// A fetch, by its number.
        case fetch(UInt64)
    }

    /// A task that was woken and has not run since.
    private struct Wake {
        let time: UInt64
        let id: UInt64
    }

    private let thread: Int32
    private let from: UInt64
    private let to: UInt64
    private let clock: FlightClock
    private(set) var events: [TraceEvent] = []
    /// The last id that was given to a pair or a flow.
    private(set) var lastID: UInt64

    private var open: [Key: Open] = [:]
    private var wakes: [UInt64: Wake] = [:]
    /// The beginning of the turn: the end of the last poll. nil before the first slice, and after a poll that ended after the window.
    private var turnBegan: UInt64?
    private var jobsInTurn = 0
    /// The end of the last poll or job, or the start of the window.
    private var last: UInt64
    private var hasSlices = false

    /// Creates a trace without events of the window between two times, in nanoseconds of CLOCK_MONOTONIC.
    init(thread: Int32, from: UInt64, to: UInt64, clock: FlightClock, lastID: UInt64) {
        self.thread = thread
        self.from = from
        self.to = to
        self.clock = clock
        self.lastID = lastID
        last = from
    }

    /// Adds what a hub has recorded.
    mutating func add(_ hub: FlightRecording.HubEvents) {
        var replay = FlightReplay(clock, names: hub.taskNames)
        for (index, run) in hub.runs.enumerated() {
            if index > 0 {
                endAll(at: last)
                replay = FlightReplay(clock)
            }
            // Slices of green threads are recorded before the job in which they ran, and waits before the slice that woke them ends.
            for event in run {
                if let slice = replay.slice(endingWith: event) { add(slice, event) } else { add(event, &replay) }
            }
        }
        if let running = hub.running, case let began = clock.nanoseconds(running.began), began < to, began >= last {
            beginUnknown(before: began)
            if turnBegan == nil { turnBegan = max(began, from) }
            jobsInTurn += 1
            addSlice(
                "async · \(replay.name(of: running.job) ?? "task")", .async, max(began, turnBegan!), to, depth: 1, .cut)
        } else if !hasSlices {
            beginUnknown(before: to)
        }
        endAll(at: to)
    }

    /// Ends the turn and all requests and fetches: at the end of the window, and before events that were lost.
    private mutating func endAll(at time: UInt64) {
        endTurn(at: time)
        for open in open.values {
            append(.end, open.name, open.category, min(max(time, from), to), id: open.id, .cut)
        }
        open = [:]
        wakes = [:]
        turnBegan = nil
    }

    // MARK: The thread's own time

    private mutating func add(_ slice: FlightSlice, _ event: FlightEvent) {
        guard slice.kind == .green || slice.ended > from else { return }
        switch slice.kind {
        case .poll:
            beginUnknown(before: slice.began)
            endTurn(at: slice.began)
            addSlice(
                event.detail & 1 == 1 ? "sleep" : "poll", .idle, slice.began, slice.ended, depth: 0,
                .number("events", Int(event.detail >> 1)))
            turnBegan = slice.ended < to ? max(slice.ended, from) : nil
            last = slice.ended
        case .job:
            beginUnknown(before: slice.began)
            if turnBegan == nil, slice.began < to { turnBegan = max(slice.began, from) }
            jobsInTurn += 1
            addSlice("async · \(slice.name ?? "task")", .async, slice.began, slice.ended, depth: 1)
            endFlow(to: slice)
            last = slice.ended
        case .green:
            let outcomes: [StaticString] = ["finished", "parked", "awaiting"]
            addSlice(
                "blocking · \(slice.name ?? "green thread")", .blocking, slice.began, slice.ended, depth: 2,
                .slice(stack: Int(clamping: event.detail >> 8), then: outcomes[Int(min(event.detail & 0xff, 2))]))
        }
    }

    /// Adds the time from the start of the window to the first recorded slice: the hub ran a job that began before recording did.
    private mutating func beginUnknown(before time: UInt64) {
        guard !hasSlices else { return }
        hasSlices = true
        if time > from { addSlice("a job that began before the trace", .async, from, min(time, to), depth: 0, .cut) }
    }

    private mutating func endTurn(at end: UInt64) {
        guard let began = turnBegan.take(), end > began else { return }
        addSlice("turn", .turn, began, end, depth: 0, .number("jobs", jobsInTurn))
        jobsInTurn = 0
    }

    /// Adds the part of a slice that lies in the window.
    private mutating func addSlice(
        _ name: String, _ category: TraceEvent.Category, _ began: UInt64, _ ended: UInt64, depth: UInt8,
        _ detail: TraceEvent.Detail = .none
    ) {
        let (began, ended) = (max(began, from), min(ended, to))
        guard began < ended else { return }
        events.append(
            TraceEvent(
                phase: .complete, name: name, category: category, time: began - from, thread: thread, depth: depth,
                length: ended - began, detail: detail))
    }

    // MARK: What happens on it

    private mutating func add(_ event: FlightEvent, _ replay: inout FlightReplay) {
        let time = clock.nanoseconds(event.ticks)
        guard let kind = event.kind, from <= time, time < to else { return }
        let name = replay.text(at: event)
        switch kind {
        case .request:
            begin(
                .request(event.subject), name ?? "no route", .request, time,
                event.detail == 0 ? .none : .text("request_id", RequestID(number: event.detail).description))
        case .fetch: begin(.fetch(event.detail), name ?? "fetch", .fetch, time)
        case .answer: end(.request(event.subject), time, status: event.detail)
        case .fetched: end(.fetch(event.detail & 0xffff_ffff_ffff), time, status: event.detail >> 48)
        case .toAsync: append(.instant, "→ async", .bridge, time, .text("site", "\(name ?? "?"):\(event.detail)"))
        case .toBlocking: append(.instant, "→ blocking", .bridge, time, .text("site", "\(name ?? "?"):\(event.detail)"))
        case .stall: append(.instant, "held", .stall, time)
        case .wait: addWait(name ?? "wait", event, until: time, &replay)
        case .poll, .job, .slice, .task: break
        }
    }

    private mutating func begin(
        _ key: Key, _ name: String, _ category: TraceEvent.Category, _ time: UInt64, _ detail: TraceEvent.Detail = .none
    ) {
        // The job in which recording began is not known, so neither is the task.
        guard key != .request(0) else { return }
        if let earlier = open[key] { append(.end, earlier.name, earlier.category, time, id: earlier.id, .cut) }
        let new = Open(name: name, id: nextID(), category: category)
        open[key] = new
        append(.begin, name, category, time, id: new.id, detail)
    }

    private mutating func end(_ key: Key, _ time: UInt64, status: UInt64) {
        guard let ended = open.removeValue(forKey: key) else { return }
        append(.end, ended.name, ended.category, time, id: ended.id, .number("status", Int(clamping: status)))
    }

    private mutating func addWait(_ what: String, _ event: FlightEvent, until time: UInt64, _ replay: inout FlightReplay) {
        let id = nextID()
        append(
            .begin, what, .wait, min(max(event.began, from), time), id: id,
            .wait(task: replay.name(of: event.subject), descriptor: event.descriptor))
        append(.end, what, .wait, time, id: id)
        wakes[event.subject] = Wake(time: time, id: nextID())
    }

    /// Adds the arrow from the place where a task was woken to the job in which it went on.
    private mutating func endFlow(to slice: FlightSlice) {
        guard let wake = wakes.removeValue(forKey: slice.subject), slice.began >= wake.time, slice.began >= from,
            slice.ended <= to,
            slice.began < slice.ended
        else { return }
        // Perfetto begins an arrow at the slice that began last, also if that has ended: at this instant.
        append(.instant, "wakes", .flow, wake.time)
        append(.flowStart, "wakes", .flow, wake.time, id: wake.id)
        append(.flowEnd, "wakes", .flow, slice.began, id: wake.id)
    }

    private mutating func append(
        _ phase: TraceEvent.Phase, _ name: String, _ category: TraceEvent.Category, _ time: UInt64, id: UInt64 = 0,
        _ detail: TraceEvent.Detail = .none
    ) {
        events.append(
            TraceEvent(phase: phase, name: name, category: category, time: time - from, thread: thread, id: id, detail: detail))
    }

    private mutating func nextID() -> UInt64 {
        lastID += 1
        return lastID
    }
}
