internal import CTandem

/// A 4-ary heap of waits, ordered by the time when they are due, then by deadline, then by the order in which they were armed.
/// Each wait has its position, so disarming costs no more than arming.
struct TimerHeap: ~Copyable {
    /// A wait and its key. The key is copied because reading it from the wait would cause a cache miss per comparison.
    private struct Slot {
        var due: UInt64
        var deadline: UInt64
        var sequence: UInt64
        var wait: Wait

        func precedes(_ other: Slot) -> Bool {
            if due != other.due { return due < other.due }
            return deadline != other.deadline ? deadline < other.deadline : sequence < other.sequence
        }
    }

    private var slots: UnsafeMutablePointer<Slot>
    private var capacity = 64
    private(set) var count = 0
    private var nextSequence: UInt64 = 0
    // The last time passed to `popDue`. A wait that is armed later and already due fires at the next call, after the waits that
    // were due.
    private var looked: UInt64 = 0

    init() { slots = .allocate(capacity: capacity) }

    deinit { slots.deallocate() }

    /// The time when the first wait is due, in nanoseconds of the hub's clock; `UInt64.max` if there are no waits.
    var earliest: UInt64 { count == 0 ? .max : slots[0].due }

    /// Rounds a deadline up, so that timers that are due close together share a wake-up of the hub. Adds less than 1/64 of the
    /// time from `now` to the deadline, and less than 2^20 ns (1.05 ms).
    static func coalesced(_ deadline: UInt64, now: UInt64) -> UInt64 {
        guard deadline > now else { return deadline }
        let bits = min(57 - (deadline - now).leadingZeroBitCount, 20)
        return bits > 0 ? deadline | (1 << UInt64(bits) - 1) : deadline
    }

    /// Adds a wait that is due at `deadline`, or at the rounded deadline if `now` is given.
    ///
    /// - Parameter now: The time from which `coalesced` rounds the deadline up; nil keeps it exact.
    mutating func insert(_ wait: Wait, deadline: UInt64, now: UInt64? = nil) {
        if count == capacity { grow() }
        let due = now.map { TimerHeap.coalesced(deadline, now: $0) } ?? deadline
        let slot = Slot(due: max(due, looked &+ 1), deadline: deadline, sequence: nextSequence, wait: wait)
        nextSequence += 1
        count += 1
        siftUp(slot, from: count - 1)
    }

    mutating func remove(_ wait: Wait) {
        let position = Int(wait.pointee.heap_position) - 1
        wait.pointee.heap_position = 0
        count -= 1
        guard position != count else { return }
        let moved = slots[count]
        if position > 0, moved.precedes(slots[(position - 1) / 4]) {
            siftUp(moved, from: position)
        } else {
            siftDown(moved, from: position)
        }
    }

    /// Removes and returns the first wait that is due at `now`, or returns nil.
    mutating func popDue(_ now: UInt64) -> Wait? {
        looked = now
        guard count > 0, slots[0].due <= now else { return nil }
        let due = slots[0].wait
        remove(due)
        return due
    }

    private func place(_ slot: Slot, at position: Int) {
        slots[position] = slot
        slot.wait.pointee.heap_position = UInt64(position + 1)
    }

    private func siftUp(_ slot: Slot, from start: Int) {
        var position = start
        while position > 0 {
            let parent = (position - 1) / 4
            guard slot.precedes(slots[parent]) else { break }
            place(slots[parent], at: position)
            position = parent
        }
        place(slot, at: position)
    }

    private func siftDown(_ slot: Slot, from start: Int) {
        var position = start
        while true {
            var child = position * 4 + 1
            guard child < count else { break }
            var (least, leastPosition) = (slots[child], child)
            let end = min(child + 4, count)
            child += 1
            while child < end {
                if slots[child].precedes(least) { (least, leastPosition) = (slots[child], child) }
                child += 1
            }
            guard least.precedes(slot) else { break }
            place(least, at: position)
            position = leastPosition
        }
        place(slot, at: position)
    }

    private mutating func grow() {
        let larger = UnsafeMutablePointer<Slot>.allocate(capacity: capacity * 2)
        larger.moveInitialize(from: slots, count: count)
        slots.deallocate()
        slots = larger
        capacity *= 2
    }
}
