internal import Synchronization

/// A queue of items with an optional bound. Each item that a caller puts is delivered to one caller that gets.
///
/// May be used from green threads, async code and ordinary OS threads at once, on any hub. Getters and putters are served in
/// order of arrival; an item goes directly to a getter that waits. No item is lost or duplicated: if a getter is cancelled or
/// times out at the moment its item arrives, it gets the item, and a putter that throws has not put its item.
public final class Queue<Element: Sendable>: Sendable {
    private let state: Mutex<QueueState<Element>>

    /// Creates a queue.
    ///
    /// - Parameters:
    ///   - capacity: The maximum number of items in the queue; `put` waits while the queue is full. By default there is no bound.
    ///     With 0 the queue is a rendezvous: `put` waits until a getter takes the item.
    ///   - order: The order in which items leave.
    /// - Precondition: `capacity` is not negative.
    public init(capacity: Int = .max, order: QueueOrder<Element> = .fifo) {
        precondition(capacity >= 0, "a Queue's capacity is 0 or more, not \(capacity)")
        state = Mutex(QueueState(capacity: capacity, backlog: Backlog(order)))
    }

    // MARK: Put

    /// Puts an item; suspends while the queue is full.
    ///
    /// - Throws: `CancellationError`, or `TandemError` `timedOut`, or `closed` if the queue is closed, before the call or while
    ///   it waits. Then the item is not in the queue.
    public func put(_ item: Element, deadline: Deadline = .never) async throws {
        if let hub = Hub.current, hub.charge() { await hub.giveWay() }
        _ = try await state.waitInLine(
            deadline, "Queue.put", enter: { try $0.put(item, orEnlist: $1) }, leave: { $0.putters.remove($1) })
    }

    /// Puts an item; parks the green thread (or blocks the OS thread) while the queue is full.
    ///
    /// - Throws: The errors of the async form; `TandemError` `notOnGreenThread` or `wrongTask`. Then the item is not in the
    ///   queue.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public func put(
        _ item: Element, deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line
    ) throws {
        if let hub = Hub.current, hub.charge() { hub.giveWay() }
        _ = try state.waitInLine(
            deadline, "Queue.put", file, line,
            enter: { try $0.put(item, orEnlist: $1) }, leave: { $0.putters.remove($1) })
    }

    /// Puts an item if there is room or a getter waits. Returns whether it did. Never waits. Allowed everywhere, also on a hub's
    /// own stack. Throws `TandemError` `closed`.
    public func tryPut(_ item: Element) throws -> Bool { try state.withLock { try $0.put(item, orEnlist: nil) } != nil }

    // MARK: Get

    /// Removes and returns the next item; suspends until there is one.
    ///
    /// - Throws: `CancellationError`, or `TandemError` `timedOut`. If the queue is closed and empty, `TandemError` `closed` or
    ///   the error that it was closed with. Then no item was removed.
    public func get(deadline: Deadline = .never) async throws -> Element {
        if let hub = Hub.current, hub.charge() { await hub.giveWay() }
        return try await state.waitInLine(
            deadline, "Queue.get", enter: { try $0.get(orEnlist: $1) }, leave: { $0.getters.remove($1) })
    }

    /// Removes and returns the next item; parks the green thread (or blocks the OS thread) until there is one.
    ///
    /// - Throws: The errors of the async form; `TandemError` `notOnGreenThread` or `wrongTask`. Then no item was removed.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public func get(deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line) throws -> Element {
        if let hub = Hub.current, hub.charge() { hub.giveWay() }
        return try state.waitInLine(
            deadline, "Queue.get", file, line, enter: { try $0.get(orEnlist: $1) }, leave: { $0.getters.remove($1) })
    }

    /// Removes and returns the next item if there is one or a putter waits with one; otherwise returns nil. Never waits. Allowed
    /// everywhere, also on a hub's own stack. If the queue is closed and empty, throws as `get` does.
    public func tryGet() throws -> Element? { try state.withLock { try $0.get(orEnlist: nil) } }

    // MARK: Close

    /// Closes the queue: no more items can be put. Any thread. Items in the queue are still delivered; after that, `get` throws.
    /// Waiting getters are woken with the same error, waiting putters with `TandemError` `closed`. A later call has no effect,
    /// except that it may discard the items.
    ///
    /// - Parameters:
    ///   - error: The error that `get` throws when the queue is empty, in place of `TandemError` `closed`.
    ///   - discarding: Whether the items in the queue are dropped; they count as done.
    public func close(throwing error: (any Error)? = nil, discarding: Bool = false) {
        // Dropped items are released outside the lock: a deinit may use this queue.
        _ = state.withLock { $0.close(error, discarding: discarding) }
    }

    /// Whether `close` was called. Any thread.
    public var isClosed: Bool { state.withLock { $0.ending != nil } }

    /// Whether the queue was closed without an error.
    var isFinished: Bool {
        state.withLock { state in
            if case .finished = state.ending { true } else { false }
        }
    }

    // MARK: Join

    /// Marks an item that was removed as done, for `join`. Never waits. Allowed everywhere.
    ///
    /// - Precondition: Called at most once per item that was put.
    public func taskDone() { state.withLock { $0.markDone(1) } }

    /// Suspends until `taskDone` was called for every item that was put. Closing the queue does not end the wait, because its
    /// items still have to be done, unless they are discarded. Throws `CancellationError`, or `TandemError` `timedOut`.
    public func join(deadline: Deadline = .never) async throws {
        try await state.waitInLine(
            deadline, "Queue.join", enter: { $0.join(orEnlist: $1) }, leave: { $0.joiners.remove($1) })
    }

    /// Waits until `taskDone` was called for every item; parks the green thread (or blocks the OS thread). Otherwise the same as
    /// the async form. Also throws `TandemError` `notOnGreenThread` or `wrongTask`.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public func join(deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line) throws {
        try state.waitInLine(
            deadline, "Queue.join", file, line, enter: { $0.join(orEnlist: $1) }, leave: { $0.joiners.remove($1) })
    }

    // MARK: Counts

    /// The number of items in the queue, without those of waiting putters. Any thread.
    public var count: Int { state.withLock { $0.backlog.count } }

    /// The number of callers that wait in `get`. Any thread.
    public var waitingGetters: Int { state.withLock { $0.getters.count } }

    /// The number of callers that wait in `put`. Any thread.
    public var waitingPutters: Int { state.withLock { $0.putters.count } }

    /// The number of items that were put and for which `taskDone` was not called. Any thread.
    public var unfinished: Int { state.withLock { $0.unfinished } }

    /// The maximum number of items in the queue. Any thread.
    public var capacity: Int { state.withLock { $0.capacity } }

    /// Changes the capacity. Any thread. A higher capacity admits waiting putters. A lower one drops nothing: putters wait until
    /// enough items were removed.
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

/// As an async sequence, a queue removes its items as they are read, and ends when it is closed and empty.
extension Queue: AsyncSequence {
    /// The iterator of a `Queue`.
    public struct Iterator: AsyncIteratorProtocol {
        let queue: Queue

        /// Removes and returns the next item; nil when the queue is closed and empty. Throws `CancellationError`, or the error
        /// that the queue was closed with.
        public mutating func next() async throws -> Element? {
            do {
                return try await queue.get()
            } catch let error as TandemError where error.code == .closed && queue.isFinished {
                return nil
            }
        }
    }

    /// Returns a reader of the queue. There may be any number; each item goes to one of them.
    public func makeAsyncIterator() -> Iterator { Iterator(queue: self) }
}
