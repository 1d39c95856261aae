/// The state that a `Queue` guards with its lock. It decides which callers may continue and which items they get.
///
/// Getters wait only while the backlog is empty and no putter waits. Putters wait only while the backlog is full.
struct QueueState<Element: Sendable>: Sendable {
    enum Ending { case finished, failed(any Error) }

    var capacity: Int
    var backlog: Backlog<Element>
    var getters = WaitList<Element>()
    var putters = WaitList<Element>()
    var joiners = WaitList<Void>()
    /// The number of items that were put and are not done.
    private(set) var unfinished = 0
    /// The way in which the queue was closed; nil while it is open.
    private(set) var ending: Ending?

    init(capacity: Int, backlog: Backlog<Element>) {
        self.capacity = capacity
        self.backlog = backlog
    }

    /// Puts an item. Returns it if that succeeded, or nil if the queue is full; then `putter` is enlisted.
    mutating func put(_ item: Element, orEnlist putter: Waiter<Element>?) throws -> Element? {
        guard ending == nil else { throw Self.closed }
        if let getter = getters.popFirst() {
            unfinished += 1
            getter.end(.success(item))
            return item
        }
        guard backlog.count < capacity else {
            if let putter {
                putter.offer(item)
                putters.append(putter)
            }
            return nil
        }
        unfinished += 1
        backlog.push(item)
        return item
    }

    mutating func get(orEnlist getter: Waiter<Element>?) throws -> Element? {
        if let item = backlog.pop() {
            admitPutters()
            return item
        }
        if let putter = putters.popFirst() { return accept(putter) }
        switch ending {
        case .finished: throw Self.closed
        case .failed(let error): throw error
        case nil: break
        }
        if let getter { getters.append(getter) }
        return nil
    }

    /// Admits as many waiting putters as there is room for.
    mutating func admitPutters() {
        while backlog.count < capacity, let putter = putters.popFirst() { backlog.push(accept(putter)) }
    }

    private mutating func accept(_ putter: Waiter<Element>) -> Element {
        unfinished += 1
        let item = putter.takeOffer()
        putter.end(.success(item))
        return item
    }

    mutating func join(orEnlist joiner: Waiter<Void>?) -> Void? {
        guard unfinished > 0 else { return () }
        if let joiner { joiners.append(joiner) }
        return nil
    }

    mutating func markDone(_ number: Int) {
        precondition(number <= unfinished, "Queue.taskDone was called more often than items were put")
        unfinished -= number
        if unfinished == 0 { joiners.endAll(.success(())) }
    }

    /// Closes the queue. Returns the items that were dropped.
    mutating func close(_ error: (any Error)?, discarding: Bool) -> [Element] {
        if ending == nil {
            ending = error.map { .failed($0) } ?? .finished
            getters.endAll(.failure(error ?? Self.closed))
            putters.endAll(.failure(Self.closed))
        }
        guard discarding else { return [] }
        let dropped = backlog.takeAll()
        markDone(dropped.count)
        return dropped
    }

    private static var closed: TandemError { TandemError(.closed, "the queue is closed") }
}
