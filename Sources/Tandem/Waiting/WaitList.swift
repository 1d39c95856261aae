internal import CTandem

/// A call that waits in a primitive's list, in either style: its wait, seen as that of a caller who waits for an `Item`.
///
/// Its fields are guarded by the primitive's lock. Until it has an outcome, it is in the primitive's list. The code that removes
/// it sets its outcome under the same lock. So a caller that leaves finds one of two states: either it is still listed, and got
/// nothing, or it has an outcome, which counts whatever else woke it.
///
/// The memory of the wait holds the links of the list and the outcome, so waiting allocates nothing for an item of up to 16 bytes.
// @unchecked: every use is under the lock of the primitive that lists it, and any thread may post to a wait; see wait.h.
struct Waiter<Item: Sendable>: Equatable, @unchecked Sendable {
    let wait: Wait

    /// Whether it has no outcome.
    var isListed: Bool { wait.pointee.ending == TANDEM_LISTED }

    /// Keeps the item that a putter brings, until a getter takes it with `takeOffer`.
    func offer(_ item: Item) { store(item) }

    /// Returns the item that the putter has brought.
    func takeOffer() -> Item { takeItem() }

    /// Ends the wait with an outcome. The waiter must have been removed from its list.
    func end(_ outcome: Result<Item, any Error>) {
        switch outcome {
        case .success(let item):
            store(item)
            wait.pointee.ending = TANDEM_SERVED
        case .failure(let error):
            tandem_wait_failure(wait).initializeMemory(as: (any Error).self, to: error)
            wait.pointee.ending = TANDEM_FAILED
        }
        post(wait, TANDEM_WAKE_READY)
    }

    /// Returns the outcome, or nil if the wait ended without one. Drops an offer that nobody took. The caller that waited calls
    /// this once, without the lock, after the waiter has left its list.
    func finish() -> Result<Item, any Error>? {
        defer { wait.pointee.ending = TANDEM_LISTED }
        switch wait.pointee.ending {
        case TANDEM_SERVED: return .success(takeItem())
        case TANDEM_FAILED:
            if wait.pointee.has_item { _ = takeItem() }
            return .failure(tandem_wait_failure(wait).assumingMemoryBound(to: (any Error).self).move())
        default:
            if wait.pointee.has_item { _ = takeItem() }
            return nil
        }
    }

    private static var fits: Bool { MemoryLayout<Item>.size <= 16 && MemoryLayout<Item>.alignment <= 8 }

    private func store(_ item: Item) {
        let room = tandem_wait_room(wait)
        if Waiter.fits {
            room.initializeMemory(as: Item.self, to: item)
        } else {
            let memory = UnsafeMutablePointer<Item>.allocate(capacity: 1)
            memory.initialize(to: item)
            room.initializeMemory(as: UnsafeMutablePointer<Item>.self, to: memory)
        }
        wait.pointee.has_item = true
    }

    private func takeItem() -> Item {
        wait.pointee.has_item = false
        let room = tandem_wait_room(wait)
        if Waiter.fits { return room.assumingMemoryBound(to: Item.self).move() }
        let memory = room.load(as: UnsafeMutablePointer<Item>.self)
        defer { memory.deallocate() }
        return memory.move()
    }
}

/// Callers that wait for the same thing, in order of arrival. Adding, removing and taking the first are O(1).
// @unchecked: see `Waiter`.
struct WaitList<Item: Sendable>: @unchecked Sendable {
    private var first: Wait?
    private var last: Wait?
    /// The number of waiters.
    private(set) var count = 0

    mutating func append(_ waiter: Waiter<Item>) {
        let wait = waiter.wait
        wait.pointee.previous_in_line = last
        wait.pointee.next_in_line = nil
        if let last { last.pointee.next_in_line = wait } else { first = wait }
        last = wait
        count += 1
    }

    /// Removes a waiter, which must be in this list.
    mutating func remove(_ waiter: Waiter<Item>) {
        let (previous, next) = (waiter.wait.pointee.previous_in_line, waiter.wait.pointee.next_in_line)
        if let previous { previous.pointee.next_in_line = next } else { first = next }
        if let next { next.pointee.previous_in_line = previous } else { last = previous }
        count -= 1
    }

    /// Removes and returns the waiter that has waited longest. The caller must end its wait.
    mutating func popFirst() -> Waiter<Item>? {
        guard let first else { return nil }
        let waiter = Waiter<Item>(wait: first)
        remove(waiter)
        return waiter
    }

    /// Ends the waits of all waiters with the same outcome.
    mutating func endAll(_ outcome: Result<Item, any Error>) {
        while let waiter = popFirst() { waiter.end(outcome) }
    }
}
