/// The items that a `Queue` holds, in its order. FIFO and LIFO in O(1), by priority in O(log n).
struct Backlog<Element: Sendable>: Sendable {
    private struct Entry {
        let item: Element
        /// The item's number in order of arrival, which decides between equal items.
        let number: UInt64
    }

    private let order: QueueOrder<Element>
    // FIFO: the items from `head` on; slots before it are empty. LIFO: a stack. Priority: a binary heap.
    private var entries: [Entry?] = []
    private var head = 0
    private var arrived: UInt64 = 0

    init(_ order: QueueOrder<Element>) { self.order = order }

    var count: Int { entries.count - head }

    mutating func push(_ item: Element) {
        entries.append(Entry(item: item, number: arrived))
        arrived += 1
        if case .priority(let precedes) = order.kind { siftUp(precedes) }
    }

    mutating func pop() -> Element? {
        guard count > 0 else { return nil }
        switch order.kind {
        case .fifo: return popFirst()
        case .lifo: return entries.removeLast()!.item
        case .priority(let precedes):
            entries.swapAt(0, entries.count - 1)
            let item = entries.removeLast()!.item
            siftDown(precedes)
            return item
        }
    }

    /// Removes all items and returns them in no particular order.
    mutating func takeAll() -> [Element] {
        defer {
            entries = []
            head = 0
        }
        return entries[head...].map { $0!.item }
    }

    private mutating func popFirst() -> Element {
        let item = entries[head]!.item
        entries[head] = nil
        head += 1
        // Removes the empty slots once they are at least half, so that each item moves at most once per doubling.
        if head * 2 >= entries.count {
            entries.removeFirst(head)
            head = 0
        }
        return item
    }

    private mutating func siftUp(_ precedes: QueueOrder<Element>.Precedes) {
        var child = entries.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard goesBefore(child, parent, precedes) else { return }
            entries.swapAt(child, parent)
            child = parent
        }
    }

    private mutating func siftDown(_ precedes: QueueOrder<Element>.Precedes) {
        var parent = 0
        while true {
            var best = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < entries.count && goesBefore(child, best, precedes) {
                best = child
            }
            guard best != parent else { return }
            entries.swapAt(parent, best)
            parent = best
        }
    }

    private func goesBefore(_ a: Int, _ b: Int, _ precedes: QueueOrder<Element>.Precedes) -> Bool {
        let (a, b) = (entries[a]!, entries[b]!)
        if precedes(a.item, b.item) { return true }
        return !precedes(b.item, a.item) && a.number < b.number
    }
}
