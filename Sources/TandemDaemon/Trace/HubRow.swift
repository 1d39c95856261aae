internal import Tandem
internal import TandemHTTP

/// The trace events of one hub.
struct HubRow {
    /// A request or a fetch that has begun.
    private struct Open {
        let name: String
        let id: UInt64
    }

    /// A task that was woken and has not run since.
    private struct Wake {
        let time: UInt64
        let id: UInt64
    }

    private let thread: Int
    private let from: UInt64
    private let to: UInt64
    private let clock: FlightClock
    private(set) var events: [TraceEvent] = []
    /// The last id that was given to a pair or a flow.
    private(set) var lastID: UInt64

    private var requests: [UInt64: Open] = [:]
    private var fetches: [UInt64: Open] = [:]
    private var wakes: [UInt64: Wake] = [:]
    /// The end of the last poll: the turn began there. nil before the first.
    private var turnBegan: UInt64?
    private var jobsInTurn = 0

    /// Creates a row for the window between two times, in nanoseconds of CLOCK_MONOTONIC.
    init(thread: Int, from: UInt64, to: UInt64, clock: FlightClock, lastID: UInt64) {
        self.thread = thread
        self.from = from
        self.to = to
        self.clock = clock
        self.lastID = lastID
    }

    /// Adds what a hub has recorded.
    mutating func replay(_ hub: FlightRecording.HubEvents) {
        var replay = FlightReplay(clock, names: hub.taskNames)
        // Green slices are recorded before the job in which they ran, and wakes before the slice or job that they happened in.
        for event in hub.events {
            if let slice = replay.slice(endingWith: event) { add(slice, event) } else { add(event, &replay) }
        }
        if let running = hub.running {
            let began = max(clock.nanoseconds(running.began), turnBegan ?? from)
            addSlice(
                "job", replay.name(of: running.job) ?? "task", "async", began, to, [.init(name: "cut", value: .boolean(true))])
        }
        endTurn(at: to)
        let cut = [JSON.Member(name: "cut", value: .boolean(true))]
        for (open, category) in requests.values.map({ ($0, "request") }) + fetches.values.map({ ($0, "fetch") }) {
            append(.end, open.name, category, to, id: open.id, cut)
        }
    }

    // MARK: The thread's own time

    private mutating func add(_ slice: FlightSlice, _ event: FlightEvent) {
        switch slice.kind {
        case .poll:
            endTurn(at: slice.began)
            addSlice(
                "idle", event.detail & 1 == 1 ? "sleep" : "poll", "idle", slice.began, slice.ended,
                [.init(name: "events", value: .integer(Int(event.detail >> 1)))])
            turnBegan = max(slice.ended, from)
        case .job:
            if turnBegan == nil { turnBegan = max(slice.began, from) }
            jobsInTurn += 1
            addSlice("job", "async · \(slice.name ?? "task")", "async", slice.began, slice.ended)
            endFlow(to: slice)
        case .green:
            let outcome = ["finished", "parked", "awaiting"][Int(min(event.detail & 0xff, 2))]
            addSlice(
                "green", "blocking · \(slice.name ?? "green thread")", "blocking", slice.began, slice.ended,
                [
                    .init(name: "stack", value: .integer(Int(clamping: event.detail >> 8))),
                    .init(name: "then", value: .string(outcome)),
                ])
        }
    }

    private mutating func endTurn(at end: UInt64) {
        guard let began = turnBegan.take(), end > began else { return }
        addSlice("turn", "turn", "turn", began, end, [.init(name: "jobs", value: .integer(jobsInTurn))])
        jobsInTurn = 0
    }

    /// Adds a piece of the thread's time, as far as it lies in the window.
    private mutating func addSlice(
        _ kind: String, _ name: String, _ category: String, _ began: UInt64, _ ended: UInt64, _ arguments: [JSON.Member] = []
    ) {
        let (began, ended) = (max(began, from), min(ended, to))
        guard began < ended else { return }
        events.append(
            TraceEvent(
                phase: .complete, name: name, category: category, time: began - from, thread: thread, length: ended - began,
                arguments: arguments))
    }

    // MARK: What happens on it

    private mutating func add(_ event: FlightEvent, _ replay: inout FlightReplay) {
        let time = clock.nanoseconds(event.ticks)
        // A job that began before recording did is not known, so neither are the events of its task.
        guard let kind = event.kind, event.subject != 0, from <= time, time < to else { return }
        let name = replay.text(at: event)
        switch kind {
        case .request:
            let open = Open(name: name ?? "no route", id: nextID())
            requests[event.subject] = open
            let id =
                event.detail == 0
                ? [] : [JSON.Member(name: "request_id", value: .string(RequestID(number: event.detail).description))]
            append(.begin, open.name, "request", time, id: open.id, id)
        case .fetch:
            let open = Open(name: name ?? "fetch", id: nextID())
            fetches[event.subject] = open
            append(.begin, open.name, "fetch", time, id: open.id)
        case .answer: end(requests.removeValue(forKey: event.subject), "request", time, status: event.detail)
        case .fetched: end(fetches.removeValue(forKey: event.subject), "fetch", time, status: event.detail)
        case .toAsync: append(.instant, "→ async", "bridge", time, Self.site(name, event.detail))
        case .toBlocking: append(.instant, "→ blocking", "bridge", time, Self.site(name, event.detail))
        case .stall: append(.instant, "held", "stall", time)
        case .wait: addWait(name ?? "wait", event, until: time, &replay)
        case .poll, .job, .slice, .task: break
        }
    }

    private mutating func end(_ open: Open?, _ category: String, _ time: UInt64, status: UInt64) {
        guard let open else { return }
        append(.end, open.name, category, time, id: open.id, [.init(name: "status", value: .integer(Int(clamping: status)))])
    }

    private mutating func addWait(_ what: String, _ event: FlightEvent, until time: UInt64, _ replay: inout FlightReplay) {
        let id = nextID()
        var arguments: [JSON.Member] = []
        if let task = replay.name(of: event.subject) { arguments.append(.init(name: "task", value: .string(task))) }
        if event.descriptor >= 0 { arguments.append(.init(name: "descriptor", value: .integer(Int(event.descriptor)))) }
        append(.begin, what, "wait", min(max(event.began, from), time), id: id, arguments)
        append(.end, what, "wait", time, id: id)
        wakes[event.subject] = Wake(time: time, id: nextID())
    }

    /// Adds the arrow from the code that woke a task to the job in which it went on.
    private mutating func endFlow(to slice: FlightSlice) {
        guard let wake = wakes.removeValue(forKey: slice.subject), slice.began >= wake.time, slice.began >= from,
            slice.ended <= to,
            slice.began < slice.ended
        else { return }
        append(.flowStart, "wakes", "flow", wake.time, id: wake.id)
        append(.flowEnd, "wakes", "flow", slice.began, id: wake.id)
    }

    private mutating func append(
        _ phase: TraceEvent.Phase, _ name: String, _ category: String, _ time: UInt64, id: UInt64? = nil,
        _ arguments: [JSON.Member] = []
    ) {
        events.append(
            TraceEvent(
                phase: phase, name: name, category: category, time: time - from, thread: thread, id: id, arguments: arguments))
    }

    private mutating func nextID() -> UInt64 {
        lastID += 1
        return lastID
    }

    private static func site(_ file: String?, _ line: UInt64) -> [JSON.Member] {
        [.init(name: "site", value: .string("\(file ?? "?"):\(line)"))]
    }
}
