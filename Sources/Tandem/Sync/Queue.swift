internal import Synchronization

/// Items that some callers put and others get, each item once, with a bound on how many may lie in between.
///
/// Works from green threads, async code and ordinary OS threads at once, on any hub. Getters and putters are served first
/// come, first served; an item goes straight to who waits for it. Nothing is lost or doubled: a getter whose cancellation
/// or deadline comes together with its item has the item, and a putter that throws has put nothing.
public final class Queue<Element: Sendable>: Sendable {
    private let state: Mutex<QueueState<Element>>

    /// - Parameters:
    ///   - capacity: How many items may lie in the queue before `put` waits: by default no bound. With 0 the queue is a
    ///     rendezvous: `put` waits until a getter has taken the item.
    ///   - order: Which item leaves first.
    /// - Precondition: `capacity` is not negative.
    public init(capacity: Int = .max, order: QueueOrder<Element> = .fifo) {
        precondition(capacity >= 0, "a Queue's capacity is 0 or more, not \(capacity)")
        state = Mutex(QueueState(capacity: capacity, backlog: Backlog(order)))
    }

    // MARK: Put

    /// Puts an item; suspends while the queue is full.
    ///
    /// - Throws: `CancellationError`, or `TandemError` `timedOut`, or `closed` when the queue is closed, before the call or
    ///   while it waits. Then the item is not in the queue.
    public func put(_ item: Element, deadline: Deadline = .never) async throws {
        if let hub = Hub.current, hub.charge() { await hub.giveWay() }
        _ = try await state.waitInLine(
            deadline, "Queue.put", enter: { try $0.put(item, orEnlist: $1) }, leave: { $0.putters.remove($1) })
    }

    /// Puts an item; parks the green thread (or blocks the OS thread) while the queue is full.
    ///
    /// - Throws: As the async form; also `TandemError` `notOnGreenThread`. Then the item is not in the queue.
    @available(*, noasync)
    public func put(
        _ item: Element, deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line
    ) throws {
        if let hub = Hub.current, hub.charge() { hub.giveWay() }
        _ = try state.waitInLine(
            deadline, "Queue.put", file, line,
            enter: { try $0.put(item, orEnlist: $1) }, leave: { $0.putters.remove($1) })
    }

    /// Puts an item if there is room, or a getter waits; says whether it did. Never waits; legal everywhere, also on a
    /// hub's own stack. Throws `TandemError` `closed`.
    public func tryPut(_ item: Element) throws -> Bool { try state.withLock { try $0.put(item, orEnlist: nil) } != nil }

    // MARK: Get

    /// Takes the next item out; suspends until there is one.
    ///
    /// - Throws: `CancellationError`, or `TandemError` `timedOut`; when the queue is closed and empty, `TandemError`
    ///   `closed` or the error that it was closed with. Then no item was taken.
    public func get(deadline: Deadline = .never) async throws -> Element {
        if let hub = Hub.current, hub.charge() { await hub.giveWay() }
        return try await state.waitInLine(
            deadline, "Queue.get", enter: { try $0.get(orEnlist: $1) }, leave: { $0.getters.remove($1) })
    }

    /// Takes the next item out; parks the green thread (or blocks the OS thread) until there is one.
    ///
    /// - Throws: As the async form; also `TandemError` `notOnGreenThread`. Then no item was taken.
    @available(*, noasync)
    public func get(deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line) throws -> Element {
        if let hub = Hub.current, hub.charge() { hub.giveWay() }
        return try state.waitInLine(
            deadline, "Queue.get", file, line, enter: { try $0.get(orEnlist: $1) }, leave: { $0.getters.remove($1) })
    }

    /// Takes the next item out if there is one, or a putter waits with one. Never waits; legal everywhere, also on a hub's
    /// own stack. Throws as `get` does when the queue is closed and empty.
    public func tryGet() throws -> Element? { try state.withLock { try $0.get(orEnlist: nil) } }

    // MARK: Close

    /// Ends the queue, from any thread: no item comes in any more. Those that lie in it are still delivered; then `get`
    /// throws. Whoever waits is woken: getters with that error, putters with `TandemError` `closed`. Later calls change
    /// nothing but for `discarding`.
    ///
    /// - Parameters:
    ///   - error: What `get` throws when the queue is empty, in place of `TandemError` `closed`.
    ///   - discarding: Whether the items that lie in it are dropped; they count as done.
    public func close(throwing error: (any Error)? = nil, discarding: Bool = false) {
        // What is dropped is released outside the lock: its deinit may use this queue.
        _ = state.withLock { $0.close(error, discarding: discarding) }
    }

    /// Whether `close` was called. Any thread.
    public var isClosed: Bool { state.withLock { $0.ending != nil } }

    /// Whether there is nothing to wait for, and no failure to report.
    var isFinished: Bool {
        state.withLock { state in
            if case .finished = state.ending { true } else { false }
        }
    }

    // MARK: Join

    /// Says that an item that was taken is dealt with. Never waits; legal everywhere.
    ///
    /// - Precondition: Called at most once for each item that was put.
    public func taskDone() { state.withLock { $0.markDone(1) } }

    /// Suspends until `taskDone` was called for every item that was put. Closing the queue does not end the wait: what lies
    /// in it is still to be done, unless discarded. Throws `CancellationError`, or `TandemError` `timedOut`.
    public func join(deadline: Deadline = .never) async throws {
        try await state.waitInLine(
            deadline, "Queue.join", enter: { $0.join(orEnlist: $1) }, leave: { $0.joiners.remove($1) })
    }

    /// As the async form; parks the green thread (or blocks the OS thread). Also throws `TandemError` `notOnGreenThread`.
    @available(*, noasync)
    public func join(deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line) throws {
        try state.waitInLine(
            deadline, "Queue.join", file, line, enter: { $0.join(orEnlist: $1) }, leave: { $0.joiners.remove($1) })
    }

    // MARK: Counts

    /// How many items lie in the queue; those of waiting putters do not. Any thread.
    public var count: Int { state.withLock { $0.backlog.count } }

    /// How many callers of `get` wait. Any thread.
    public var waitingGetters: Int { state.withLock { $0.getters.count } }

    /// How many callers of `put` wait. Any thread.
    public var waitingPutters: Int { state.withLock { $0.putters.count } }

    /// How many items were put for which `taskDone` was not called. Any thread.
    public var unfinished: Int { state.withLock { $0.unfinished } }

    /// How many items may lie in the queue. Any thread.
    public var capacity: Int { state.withLock { $0.capacity } }

    /// Changes the capacity, from any thread. Growing lets waiting putters in; shrinking drops nothing: putters wait until
    /// enough was taken.
    ///
    /// - Precondition: `capacity` is not negative.
    public func resize(capacity: Int) {
        precondition(capacity >= 0, "a Queue's capacity is 0 or more, not \(capacity)")
        state.withLock { state in
            state.capacity = capacity
            state.admitPutters()
        }
    }
}

/// A queue read as an async sequence takes the items out, and ends when the queue is closed and empty.
extension Queue: AsyncSequence {
    /// Reads a `Queue`.
    public struct Iterator: AsyncIteratorProtocol {
        let queue: Queue

        /// The next item; nil when the queue is closed and empty. Throws `CancellationError`, or the error that the queue
        /// was closed with.
        public mutating func next() async throws -> Element? {
            do {
                return try await queue.get()
            } catch let error as TandemError where error.code == .closed && queue.isFinished {
                return nil
            }
        }
    }

    /// One of any number of readers: each item goes to one of them.
    public func makeAsyncIterator() -> Iterator { Iterator(queue: self) }
}
