/// What a hub's thread did for some time: it waited in the kernel, ran a job, or ran a green thread.
package struct FlightSlice: Sendable {
    /// What the thread did.
    package enum Kind: Sendable {
        /// It asked the kernel for events, and slept if there was nothing to do.
        case poll
        /// It ran a job. The slices of green threads that the job ran come before it in a replay, and lie within it.
        case job
        /// It ran a green thread.
        case green
    }

    package let kind: Kind
    /// The beginning and the end, in nanoseconds of CLOCK_MONOTONIC.
    package let began: UInt64
    package let ended: UInt64
    /// The route, the task or the green thread; nil if no event names it.
    package let name: String?
    /// The task, or the job.
    package let subject: UInt64

    /// The length in nanoseconds.
    package var length: UInt64 { ended - began }
}

/// Turns the events of one hub, in the order in which they were recorded, into slices with names.
///
/// An event has the address of its task. The replay knows from earlier events which request a task serves, and the name with which it was
/// spawned.
package struct FlightReplay {
    private struct Subject {
        /// The name with which the task was spawned.
        var name: UInt64 = 0
        /// The route of the request that the task serves; 0 between requests.
        var request: UInt64 = 0
        /// The route that the task served last since its last job.
        var served: UInt64 = 0
        /// Whether the task ends in its present job.
        var ends = false
    }

    /// The key of the text that names a task which serves requests and has no name. No address of a string is so small.
    private static let connection: UInt64 = 1

    /// Converts the ticks of the events. A newer reading of the clocks is more exact for later events.
    package var clock: FlightClock
    private var subjects: [UInt64: Subject] = [:]
    private var texts: [UInt64: String] = [connection: "connection"]
    /// The end of the last job or poll. The next one does not begin before it.
    private var lastEnd: UInt64 = 0

    /// Creates a replay.
    ///
    /// - Parameters:
    ///   - clock: Converts the ticks of the events.
    ///   - names: The names of tasks that began before the events did, by their addresses.
    package init(_ clock: FlightClock, names: [UInt64: String] = [:]) {
        self.clock = clock
        learn(names)
    }

    /// Takes in the names of tasks that began before the events did, by their addresses.
    package mutating func learn(_ names: [UInt64: String]) {
        for (task, name) in names where subjects[task] == nil {
            // A key that is not the address of another name: tasks are aligned, and no name begins inside a task.
            let key = task | 1
            texts[key] = name
            subjects[task] = Subject(name: key)
        }
    }

    /// Returns the slice that ends with `event`, or nil if none does.
    package mutating func slice(endingWith event: FlightEvent) -> FlightSlice? {
        switch event.kind {
        case .request where event.subject == 0: break
        case .task where event.nameAddress == 0: subjects[event.subject]?.ends = true
        case .task: subjects[event.subject] = Subject(name: event.nameAddress)
        case .request:
            var subject = subjects[event.subject] ?? Subject(name: Self.connection)
            subject.request = event.nameAddress
            subject.served = event.nameAddress
            subjects[event.subject] = subject
        case .answer: subjects[event.subject]?.request = 0
        case .poll:
            let ended = clock.nanoseconds(event.ticks)
            defer { lastEnd = max(lastEnd, ended) }
            // The beginning was read from the other clock.
            return FlightSlice(
                kind: .poll, began: min(max(event.began, lastEnd), ended), ended: ended, name: nil, subject: 0)
        case .job:
            let name = name(of: event.subject)
            if var subject = subjects[event.subject] {
                subject.served = subject.request
                subjects[event.subject] = subject.ends ? nil : subject
            }
            let ended = clock.nanoseconds(event.ticks)
            defer { lastEnd = max(lastEnd, ended) }
            let began = min(max(clock.nanoseconds(event.began), lastEnd), ended)
            return FlightSlice(kind: .job, began: began, ended: ended, name: name, subject: event.subject)
        case .slice:
            let ended = clock.nanoseconds(event.ticks)
            let began = min(clock.nanoseconds(event.began), ended)
            return FlightSlice(kind: .green, began: began, ended: ended, name: text(at: event), subject: event.subject)
        default: break
        }
        return nil
    }

    /// Returns the route of the request that a task serves, or else the name of the task; nil if no event names either.
    package mutating func name(of subject: UInt64) -> String? {
        guard let known = subjects[subject] else { return nil }
        let address = known.request != 0 ? known.request : known.served != 0 ? known.served : known.name
        return text(at: address)
    }

    /// Returns the name that an event carries.
    package mutating func text(at event: FlightEvent) -> String? { text(at: event.nameAddress) }

    private mutating func text(at address: UInt64) -> String? {
        guard address != 0 else { return nil }
        if let text = texts[address] { return text }
        let text = UnsafePointer<CChar>(bitPattern: UInt(address)).map { String(cString: $0) }
        texts[address] = text
        return text
    }
}
