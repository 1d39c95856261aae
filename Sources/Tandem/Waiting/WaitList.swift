internal import CTandem

/// A call that waits in a primitive's list, in either style.
///
/// Its fields are guarded by the primitive's lock. Until it has an outcome, it is in the primitive's list. The code that removes
/// it sets its outcome under the same lock. So a caller that leaves finds one of two states: either it is still listed, and got
/// nothing, or it has an outcome, which counts whatever else woke it.
// @unchecked: every use is under the lock of the primitive that lists it, and any thread may post to a wait; see wait.h.
final class Waiter<Item: Sendable>: @unchecked Sendable {
    let wait: Wait
    /// The item that a putter brings and a getter will take.
    var offer: Item?
    /// The result of the wait; nil while the waiter is listed.
    private(set) var outcome: Result<Item, any Error>?

    fileprivate var previous: Waiter?
    fileprivate var next: Waiter?

    init(_ wait: Wait) { self.wait = wait }

    /// Ends the wait with an outcome. The waiter must have been removed from its list.
    func end(_ outcome: Result<Item, any Error>) {
        self.outcome = outcome
        post(wait, TANDEM_WAKE_READY)
    }
}

/// Callers that wait for the same thing, in order of arrival. Adding, removing and taking the first are O(1).
struct WaitList<Item: Sendable>: Sendable {
    private var first: Waiter<Item>?
    private var last: Waiter<Item>?
    /// The number of waiters.
    private(set) var count = 0

    mutating func append(_ waiter: Waiter<Item>) {
        waiter.previous = last
        if let last { last.next = waiter } else { first = waiter }
        last = waiter
        count += 1
    }

    /// Removes a waiter, which must be in this list.
    mutating func remove(_ waiter: Waiter<Item>) {
        if let previous = waiter.previous { previous.next = waiter.next } else { first = waiter.next }
        if let next = waiter.next { next.previous = waiter.previous } else { last = waiter.previous }
        waiter.previous = nil
        waiter.next = nil
        count -= 1
    }

    /// Removes and returns the waiter that has waited longest. The caller must end its wait.
    mutating func popFirst() -> Waiter<Item>? {
        guard let waiter = first else { return nil }
        remove(waiter)
        return waiter
    }

    /// Ends the waits of all waiters with the same outcome.
    mutating func endAll(_ outcome: Result<Item, any Error>) {
        while let waiter = popFirst() { waiter.end(outcome) }
    }
}
