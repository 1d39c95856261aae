internal import CTandem

/// Waits by deadline, equal deadlines in the order they were armed. A 4-ary heap; each wait knows its place, so that
/// cancelling one costs what arming it did.
struct TimerHeap: ~Copyable {
    typealias Wait = UnsafeMutablePointer<tandem_wait>

    private var slots: UnsafeMutablePointer<Wait>
    private var capacity = 64
    private(set) var count = 0
    private var nextSequence: UInt64 = 0
    // The last moment looked at. What is armed later and already due waits for the next look, behind what was due.
    private var looked: UInt64 = 0

    init() { slots = .allocate(capacity: capacity) }

    deinit { slots.deallocate() }

    /// The earliest deadline in nanoseconds; `UInt64.max` when there is none.
    var earliest: UInt64 { count == 0 ? .max : slots[0].pointee.deadline }

    mutating func insert(_ wait: Wait, deadline: UInt64) {
        if count == capacity { grow() }
        wait.pointee.deadline = max(deadline, looked &+ 1)
        wait.pointee.sequence = nextSequence
        nextSequence += 1
        count += 1
        siftUp(wait, from: count - 1)
    }

    mutating func remove(_ wait: Wait) {
        let position = Int(wait.pointee.heap_position) - 1
        wait.pointee.heap_position = 0
        count -= 1
        guard position != count else { return }
        let moved = slots[count]
        if position > 0, precedes(moved, slots[(position - 1) / 4]) {
            siftUp(moved, from: position)
        } else {
            siftDown(moved, from: position)
        }
    }

    /// Removes and returns the earliest wait whose deadline is not after `now`.
    mutating func popDue(_ now: UInt64) -> Wait? {
        looked = now
        guard count > 0, slots[0].pointee.deadline <= now else { return nil }
        let due = slots[0]
        remove(due)
        return due
    }

    private func precedes(_ a: Wait, _ b: Wait) -> Bool {
        a.pointee.deadline != b.pointee.deadline
            ? a.pointee.deadline < b.pointee.deadline : a.pointee.sequence < b.pointee.sequence
    }

    private func place(_ wait: Wait, at position: Int) {
        slots[position] = wait
        wait.pointee.heap_position = UInt64(position + 1)
    }

    private func siftUp(_ wait: Wait, from start: Int) {
        var position = start
        while position > 0 {
            let parent = (position - 1) / 4
            guard precedes(wait, slots[parent]) else { break }
            place(slots[parent], at: position)
            position = parent
        }
        place(wait, at: position)
    }

    private func siftDown(_ wait: Wait, from start: Int) {
        var position = start
        while true {
            let firstChild = position * 4 + 1
            guard firstChild < count else { break }
            var least = firstChild
            for child in firstChild..<min(firstChild + 4, count) where child != firstChild {
                if precedes(slots[child], slots[least]) { least = child }
            }
            guard precedes(slots[least], wait) else { break }
            place(slots[least], at: position)
            position = least
        }
        place(wait, at: position)
    }

    private mutating func grow() {
        let larger = UnsafeMutablePointer<Wait>.allocate(capacity: capacity * 2)
        larger.moveInitialize(from: slots, count: count)
        slots.deallocate()
        slots = larger
        capacity *= 2
    }
}
