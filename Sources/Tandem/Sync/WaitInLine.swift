internal import CTandem
internal import Synchronization

/// How every primitive waits. A primitive is a value behind a `Mutex`, and two closures for each thing to wait for:
///
/// - `enter` has the caller's turn come at once and returns what it gets; or returns nil, and when there is a waiter has
///   put it in a list. So `enter` without a waiter is the non-blocking form.
/// - `leave` takes a waiter out of that list again.
///
/// Cancellation and deadlines are heeded where a call has to wait: what is there at once, is taken.
extension Mutex where Value: Sendable {
    typealias Enter<Item: Sendable> = @Sendable (inout Value, Waiter<Item>?) throws -> Item?
    typealias Leave<Item: Sendable> = @Sendable (inout Value, Waiter<Item>) -> Void

    /// For async code, on a hub or on none.
    func waitInLine<Item: Sendable>(
        _ deadline: Deadline, _ call: StaticString, enter: Enter<Item>, leave: Leave<Item>
    ) async throws -> Item {
        if let item = try withLock({ try enter(&$0, nil) }) { return item }
        guard let hub = Hub.current else { return try await waitOnSharedHub(deadline, call, enter: enter, leave: leave) }
        let waiter = Waiter<Item>(hub.beginWait(deadline: deadline, for: call))
        if let item = try enlist(waiter, hub, enter) { return item }
        await park(waiter.wait)
        return try end(waiter, hub, leave)
    }

    @inline(never)  // frame
    private func waitOnSharedHub<Item: Sendable>(
        _ deadline: Deadline, _ call: StaticString, enter: Enter<Item>, leave: Leave<Item>
    ) async throws -> Item {
        try await HubGroup.shared.nextHub().visit {
            try await waitInLine(deadline, call, enter: enter, leave: leave)
        }
    }

    /// For blocking code, on a green thread or on an ordinary OS thread.
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
        let waiter = Waiter<Item>(hub.beginWait(deadline: deadline, for: call))
        if let item = try enlist(waiter, hub, enter) { return item }
        parkGreenThread(fiber, waiter.wait)
        return try end(waiter, hub, leave)
    }

    /// nil when it is listed. Else the wait is over.
    private func enlist<Item: Sendable>(_ waiter: Waiter<Item>, _ hub: Hub, _ enter: Enter<Item>) throws -> Item? {
        do {
            let item = try withLock { try enter(&$0, waiter) }
            if item != nil { _ = hub.finishWait(waiter.wait) }
            return item
        } catch {
            _ = hub.finishWait(waiter.wait)
            throw error
        }
    }

    private func end<Item: Sendable>(_ waiter: Waiter<Item>, _ hub: Hub, _ leave: Leave<Item>) throws -> Item {
        let outcome = withLock { value in
            if waiter.outcome == nil { leave(&value, waiter) }
            return waiter.outcome
        }
        let reason = hub.finishWait(waiter.wait)
        // Its turn may have come after the cancel, before it ran: then nothing is lost.
        if let outcome { return try outcome.get() }
        try reason.check()
        throw Hub.cancellation
    }
}
