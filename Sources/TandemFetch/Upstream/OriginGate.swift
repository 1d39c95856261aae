internal import Tandem

/// The exchanges with one origin on one hub that are in flight or wait for a turn, and the origin's budget of retries.
final class OriginGate {
    private let origin: String
    @exclusivity(unchecked) private(set) var inFlight = 0
    @exclusivity(unchecked) private(set) var waiting = 0
    // The line, first come, first served. Tickets that were given up stay until they reach the front.
    @exclusivity(unchecked) private var line: [Ticket] = []
    @exclusivity(unchecked) private var front = 0
    @exclusivity(unchecked) var budget: RetryBudget
    @exclusivity(unchecked) private var lastUse: Duration

    init(_ origin: String, _ retry: RetryPolicy, now: Duration) {
        self.origin = origin
        budget = RetryBudget(retry, now: now)
        lastUse = now
    }

    /// Returns whether the gate can be forgotten: no exchange is in flight or waiting, and the last was more than a minute ago.
    func isIdle(now: Duration) -> Bool { inFlight == 0 && waiting == 0 && now - lastUse > .seconds(60) }

    /// Returns a place in the line, or a place in flight if there is room. Throws `overloaded`.
    ///
    /// - Parameter parker: The parker to unpark when a waiting exchange gets its turn.
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

    /// Returns a place in flight regardless of the limit, for a request that already had one and met a dead connection.
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
        // Remove the used front only when it is at least half of the array, so that the cost per ticket is constant on average.
        if front * 2 >= line.count {
            line.removeFirst(front)
            front = 0
        }
    }
}

/// An exchange's place with an origin: first in the line, then in flight.
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

    /// Gives up the place. Does nothing if it has been given up already.
    func leave() {
        guard state != .over else { return }
        let wasInFlight = state == .inFlight
        state = .over
        gate.left(wasInFlight: wasInFlight)
    }
}
