internal import Tandem

/// What one hub did, in bins of 12.5 ms, from the events of its flight recorder.
struct TimelineBins {
    /// The length of a bin in nanoseconds.
    static let length: UInt64 = 12_500_000
    /// The most bins that one reading returns: five seconds.
    private static let most = 400
    /// The shortest slice that counts as long, in nanoseconds.
    private static let long: UInt64 = 100_000

    /// The time of a bin that the hub spent in each way, in nanoseconds, and what happened in it.
    private struct Bin {
        var blocking: UInt64 = 0
        var async: UInt64 = 0
        var sleep: UInt64 = 0
        var bridges = 0
        var stalls = 0

        /// Percent of the bin in blocking code, in async code and in the loop itself; calls of bridges; stalls. The rest is idle.
        var values: [Int] {
            func percent(_ time: UInt64) -> Int { Int((min(time, length) * 100 + length / 2) / length) }
            // Green threads run within jobs.
            let job = async > blocking ? async - blocking : 0
            let known = min(blocking + job + sleep, length)
            return [percent(blocking), percent(job), percent(length - known), bridges, stalls]
        }
    }

    private var replay: FlightReplay
    private var bins: [UInt64: Bin] = [:]
    /// The first bin that was not returned yet.
    private var next: UInt64
    /// The end of the last job or poll: what came before is known.
    private var known: UInt64
    /// The end of the last green slice of the running job, to find jobs that are more than that slice.
    private var greenTime: UInt64 = 0
    /// Whether these bins have begun in this reading, after a loss of events.
    var isAfterLoss = false
    /// The longest slices since the last reading.
    private(set) var longest: [FlightSlice] = []

    /// Begins at a time, in nanoseconds of CLOCK_MONOTONIC.
    init(_ clock: FlightClock, now: UInt64) {
        replay = FlightReplay(clock)
        (known, next) = (now, now / Self.length + 1)
    }

    /// Takes in a newer reading of the clocks, and the names of tasks that were not known.
    mutating func prepare(_ clock: FlightClock, _ names: [UInt64: String]) {
        replay.clock = clock
        replay.learn(names)
    }

    /// Returns the name of a task.
    mutating func name(of job: UInt64) -> String? { replay.name(of: job) }

    mutating func add(_ event: FlightEvent, _ clock: FlightClock) {
        if let slice = replay.slice(endingWith: event) {
            add(slice, canWait: event.detail & 1 == 1)
        } else if let kind = event.kind, let place = bin(clock.nanoseconds(event.ticks)) {
            switch kind {
            case .toAsync, .toBlocking: bins[place, default: Bin()].bridges += 1
            case .stall: bins[place, default: Bin()].stalls += 1
            default: break
            }
        }
    }

    private mutating func add(_ slice: FlightSlice, canWait: Bool) {
        switch slice.kind {
        case .poll:
            if canWait { spread(slice, \.sleep) }
            known = max(known, slice.ended)
        case .job:
            spread(slice, \.async)
            // A job that did little besides running a green thread is not listed again.
            if slice.length > 2 * greenTime { list(slice) }
            greenTime = 0
            known = max(known, slice.ended)
        case .green:
            spread(slice, \.blocking)
            greenTime += slice.length
            list(slice)
        }
    }

    private func bin(_ time: UInt64) -> UInt64? {
        let place = time / Self.length
        return place < next ? nil : place
    }

    /// Adds the time of a slice to the bins that it covers.
    private mutating func spread(_ slice: FlightSlice, _ part: WritableKeyPath<Bin, UInt64>) {
        var time = max(slice.began, next * Self.length)
        while time < slice.ended {
            let place = time / Self.length
            let end = min(slice.ended, (place + 1) * Self.length)
            bins[place, default: Bin()][keyPath: part] += end - time
            time = end
        }
    }

    private mutating func list(_ slice: FlightSlice) {
        guard slice.length >= Self.long else { return }
        longest.append(slice)
        if longest.count >= 200 { shorten() }
    }

    private mutating func shorten() { longest = Array(longest.sorted { $0.length > $1.length }.prefix(50)) }

    /// Returns the bins that are complete, and the number of the first of them, and forgets them.
    mutating func take() -> (first: UInt64, bins: [[Int]]) {
        let end = max(next, known / Self.length)
        let first = end - min(end - next, UInt64(Self.most))
        let values = (first..<end).map { (bins[$0] ?? Bin()).values }
        bins = bins.filter { $0.key >= end }
        next = end
        return (first, values)
    }

    /// Returns the longest slices since the last call.
    mutating func takeLongest() -> [FlightSlice] {
        defer { longest = [] }
        shorten()
        return longest
    }
}
