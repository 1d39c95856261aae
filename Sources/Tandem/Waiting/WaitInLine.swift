internal import CTandem
internal import Synchronization

/// The wait of every primitive. A primitive is a value behind a `Mutex`, with two closures per kind of wait:
///
/// - `enter` tries to serve the caller at once. It returns the caller's item, or it returns nil after it has put the waiter, if
///   there is one, into a list. So `enter` without a waiter is the non-blocking form.
/// - `leave` removes a waiter from that list.
///
/// Cancellation and deadlines take effect only if the call has to wait: an item that is available is returned.
extension Mutex where Value: Sendable {
    typealias Enter<Item: Sendable> = @Sendable (inout Value, Waiter<Item>?) throws -> Item?
    typealias Leave<Item: Sendable> = @Sendable (inout Value, Waiter<Item>) -> Void

    /// Waits in async code, on a hub or on none.
    func waitInLine<Item: Sendable>(
        _ deadline: Deadline, _ call: StaticString, enter: Enter<Item>, leave: Leave<Item>
    ) async throws -> Item {
        if let item = try withLock({ try enter(&$0, nil) }) { return item }
        guard let hub = Hub.current else { return try await waitOnSharedHub(deadline, call, enter: enter, leave: leave) }
        let waiter = Waiter<Item>(wait: hub.waits.begin(deadline: deadline, for: call))
        if let item = try enlist(waiter, hub, enter) { return item }
        await park(waiter.wait)
        return try end(waiter, hub, leave)
    }

    @inline(never)  // frame
    private func waitOnSharedHub<Item: Sendable>(
        _ deadline: Deadline, _ call: StaticString, enter: Enter<Item>, leave: Leave<Item>
    ) async throws -> Item {
        try await Hub.forCaller.visit {
            try await waitInLine(deadline, call, enter: enter, leave: leave)
        }
    }

    /// Waits in blocking code, on a green thread or on an ordinary OS thread.
    @available(*, noasync)
    func waitInLine<Item: Sendable>(
        _ deadline: Deadline, _ call: StaticString, _ file: StaticString, _ line: UInt, enter: Enter<Item>, leave: Leave<Item>
    ) throws -> Item {
        if let item = try withLock({ try enter(&$0, nil) }) { return item }
        if tandem_current_hub() == nil, tandem_current_task() == nil {
            return try awaiting(file: file, line: line) { try await waitInLine(deadline, call, enter: enter, leave: leave) }
        }
        let fiber = try currentFiber(call, file, line)
        guard let hub = Hub.current else { throw TandemError.misuse(call, file, line) }
        let waiter = Waiter<Item>(wait: hub.waits.begin(deadline: deadline, for: call))
        if let item = try enlist(waiter, hub, enter) { return item }
        parkGreenThread(fiber, waiter.wait)
        return try end(waiter, hub, leave)
    }

    /// Tries once more with a waiter. Returns nil if the waiter was put into the list; otherwise the wait is over.
    private func enlist<Item: Sendable>(_ waiter: Waiter<Item>, _ hub: Hub, _ enter: Enter<Item>) throws -> Item? {
        do {
            guard let item = try withLock({ try enter(&$0, waiter) }) else { return nil }
            drop(waiter, hub)
            return item
        } catch {
            drop(waiter, hub)
            throw error
        }
    }

    private func drop<Item: Sendable>(_ waiter: Waiter<Item>, _ hub: Hub) {
        _ = waiter.finish()
        _ = hub.waits.finish(waiter.wait)
    }

    private func end<Item: Sendable>(_ waiter: Waiter<Item>, _ hub: Hub, _ leave: Leave<Item>) throws -> Item {
        withLock { value in
            if waiter.isListed { leave(&value, waiter) }
        }
        let outcome = waiter.finish()
        let reason = hub.waits.finish(waiter.wait)
        // The caller may have been served after the cancellation: then it gets its item, so that nothing is lost.
        if let outcome { return try outcome.get() }
        try reason.check()
        throw Hub.cancellation
    }
}
