internal import Tandem

/// One origin on one hub: who is in flight with it, who waits for a turn, and what retries are left.
final class OriginGate {
    let origin: String
    private(set) var inFlight = 0
    private(set) var waiting = 0
    // First come, first served. Tickets that were given up stay until they come to the front.
    private var line: [Ticket] = []
    private var front = 0
    var budget: RetryBudget
    private(set) var lastUse: Duration

    init(_ origin: String, _ retry: RetryPolicy, now: Duration) {
        self.origin = origin
        budget = RetryBudget(retry, now: now)
        lastUse = now
    }

    /// Whether nothing would be lost with it: nobody is here, and its budget is full again.
    func isIdle(now: Duration) -> Bool { inFlight == 0 && waiting == 0 && now - lastUse > .seconds(60) }

    /// A place in the line; at its front at once, when there is room. Throws `overloaded`.
    ///
    /// - Parameter admitted: Called when its turn comes, if it did not come at once.
    func enter(_ configuration: FetchConfiguration, now: Duration, admitted: @escaping () -> Void) throws(FetchError) -> Ticket {
        lastUse = now
        let limit = configuration.maxExchangesPerOrigin
        let isFree = waiting == 0 && inFlight < limit
        guard isFree || waiting < configuration.maxWaitersPerOrigin else {
            throw FetchError(
                .overloaded,
                "\(origin): \(inFlight) exchanges are in flight and \(waiting) wait for a turn; the upstream is slower than it is asked"
            )
        }
        let ticket = Ticket(self, limit: limit, admitted)
        if isFree {
            inFlight += 1
            ticket.admitAtOnce()
            return ticket
        }
        line.append(ticket)
        waiting += 1
        return ticket
    }

    fileprivate func left(_ ticket: Ticket, wasInFlight: Bool) {
        if wasInFlight { inFlight -= 1 } else { waiting -= 1 }
        admitNext()
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

    private(set) var state = State.waiting
    fileprivate let limit: Int
    private let gate: OriginGate
    private var admitted: (() -> Void)?

    fileprivate init(_ gate: OriginGate, limit: Int, _ admitted: @escaping () -> Void) {
        self.gate = gate
        self.limit = limit
        self.admitted = admitted
    }

    deinit { leave() }

    fileprivate func admitAtOnce() {
        state = .inFlight
        admitted = nil
    }

    fileprivate func admit() {
        state = .inFlight
        let tell = admitted
        admitted = nil
        tell?()
    }

    /// Gives the place up, wherever it is. Harmless when it is given up already.
    func leave() {
        guard state != .over else { return }
        let wasInFlight = state == .inFlight
        state = .over
        admitted = nil
        gate.left(self, wasInFlight: wasInFlight)
    }
}
