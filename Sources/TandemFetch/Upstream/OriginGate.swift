internal import Tandem

/// The turns of one origin on one hub: who is in flight with it, who waits for a turn, and what retries are left.
final class OriginGate {
    private let origin: String
    @exclusivity(unchecked) private(set) var inFlight = 0
    @exclusivity(unchecked) private(set) var waiting = 0
    // First come, first served. Tickets that were given up stay until they come to the front.
    @exclusivity(unchecked) private var line: [Ticket] = []
    @exclusivity(unchecked) private var front = 0
    @exclusivity(unchecked) var budget: RetryBudget
    @exclusivity(unchecked) private var lastUse: Duration

    init(_ origin: String, _ retry: RetryPolicy, now: Duration) {
        self.origin = origin
        budget = RetryBudget(retry, now: now)
        lastUse = now
    }

    /// Whether nothing would be lost with it: nobody is here, and its budget is full again.
    func isIdle(now: Duration) -> Bool { inFlight == 0 && waiting == 0 && now - lastUse > .seconds(60) }

    /// A place in the line; at its front at once, when there is room. Throws `overloaded`.
    ///
    /// - Parameter parker: Unparked when its turn comes, if it did not come at once.
    func enter(_ configuration: FetchConfiguration, now: Duration, waking parker: Parker) throws(FetchError) -> Ticket {
        lastUse = now
        let limit = configuration.maxExchangesPerOrigin
        let isFree = waiting == 0 && inFlight < limit
        guard isFree || waiting < configuration.maxWaitersPerOrigin else {
            throw FetchError(
                .overloaded,
                "\(origin): \(inFlight) exchanges are in flight and \(waiting) wait for a turn; requests come faster than the upstream answers"
            )
        }
        if isFree {
            inFlight += 1
            return Ticket(self, limit: limit, .inFlight, parker)
        }
        let ticket = Ticket(self, limit: limit, .waiting, parker)
        line.append(ticket)
        waiting += 1
        return ticket
    }

    /// Returns a place in flight without regard to the limit, for a request that had one and met a dead connection.
    func reenter(waking parker: Parker) -> Ticket {
        inFlight += 1
        return Ticket(self, limit: .max, .inFlight, parker)
    }

    fileprivate func left(wasInFlight: Bool) {
        if wasInFlight { inFlight -= 1 } else { waiting -= 1 }
        if !line.isEmpty { admitNext() }
    }

    private func admitNext() {
        while front < line.count {
            let next = line[front]
            if next.state == .waiting {
                guard inFlight < next.limit else { break }
                waiting -= 1
                inFlight += 1
                next.admit()
            }
            front += 1
        }
        // Moves the rest when at least as much was taken: each moves at most once a doubling.
        if front * 2 >= line.count {
            line.removeFirst(front)
            front = 0
        }
    }
}

/// A place with an origin: first in its line, then in flight.
final class Ticket {
    enum State { case waiting, inFlight, over }

    @exclusivity(unchecked) private(set) var state: State
    fileprivate let limit: Int
    private let gate: OriginGate
    private let parker: Parker

    fileprivate init(_ gate: OriginGate, limit: Int, _ state: State, _ parker: Parker) {
        self.gate = gate
        self.limit = limit
        self.state = state
        self.parker = parker
    }

    deinit { leave() }

    fileprivate func admit() {
        state = .inFlight
        parker.unpark()
    }

    /// Gives the place up, wherever it is. Harmless when it is given up already.
    func leave() {
        guard state != .over else { return }
        let wasInFlight = state == .inFlight
        state = .over
        gate.left(wasInFlight: wasInFlight)
    }
}
