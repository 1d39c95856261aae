internal import CTandem

/// Runs blocking code from async code: the running task borrows a green stack, and `body` runs on it, on this hub.
///
/// No task is made: task-locals, cancellation and priority are the caller's own, and the call returns when `body` has.
/// Inside, blocking overloads park this green thread only; the hub serves others meanwhile. Called in a task that is
/// not on a hub, `body` runs on a hub of the shared group.
///
/// - Parameter name: Who this is, in messages about overflow or stalls.
/// - Throws: What `body` throws, the same value. Traps when no memory for a stack can be mapped.
@inlinable
public func blocking<Success, Failure: Error>(
    name: GreenThreadName = "blocking", _ body: () throws(Failure) -> Success
) async throws(Failure) -> Success {
    var outcome: Result<Success, Failure>?
    await lend(name) {
        do throws(Failure) { outcome = .success(try body()) } catch { outcome = .failure(error) }
    }
    return try outcome!.get()
}

/// Owns `body` until it has run on a green stack.
@inline(never)
@usableFromInline
func lend(_ name: GreenThreadName, _ body: () -> Void) async {
    let borrowed = BorrowedClosure.borrow(body)
    if let hub = Hub.current {
        await hub.host(name, borrowed)
    } else {
        await HubGroup.shared.nextHub().hostFromElsewhere(name, borrowed)
    }
}
