internal import CTandem

/// One call that waits in a primitive's line, in either style.
///
/// Its fields are guarded by the primitive's lock. Until it has an outcome it stands in that primitive's list; who takes
/// it out gives it one, under the same lock. So a caller that leaves finds itself either still listed, and nothing was
/// handed over, or with an outcome, and that counts whatever else woke it.
// @unchecked: every use is under the lock of the primitive that lists it, and any thread may post to a wait; see wait.h.
final class Waiter<Item: Sendable>: @unchecked Sendable {
    let wait: Wait
    /// What a giver brings, and a taker will find.
    var offer: Item?
    /// How its turn came.
    private(set) var outcome: Result<Item, any Error>?

    fileprivate var previous: Waiter?
    fileprivate var next: Waiter?

    init(_ wait: Wait) { self.wait = wait }

    /// Its turn has come. The waiter is in no list any more.
    func end(_ outcome: Result<Item, any Error>) {
        self.outcome = outcome
        post(wait, TANDEM_WAKE_READY)
    }
}

/// Callers who wait for the same thing, first come, first served. Adding, removing and taking the first are O(1).
struct WaitList<Item: Sendable>: Sendable {
    private var first: Waiter<Item>?
    private var last: Waiter<Item>?
    /// How many wait.
    private(set) var count = 0

    mutating func append(_ waiter: Waiter<Item>) {
        waiter.previous = last
        if let last { last.next = waiter } else { first = waiter }
        last = waiter
        count += 1
    }

    /// Takes out one that is in this list.
    mutating func remove(_ waiter: Waiter<Item>) {
        if let previous = waiter.previous { previous.next = waiter.next } else { first = waiter.next }
        if let next = waiter.next { next.previous = waiter.previous } else { last = waiter.previous }
        waiter.previous = nil
        waiter.next = nil
        count -= 1
    }

    /// Takes out who has waited longest; the caller ends its wait.
    mutating func popFirst() -> Waiter<Item>? {
        guard let waiter = first else { return nil }
        remove(waiter)
        return waiter
    }

    /// The same outcome for all.
    mutating func endAll(_ outcome: Result<Item, any Error>) {
        while let waiter = popFirst() { waiter.end(outcome) }
    }
}
