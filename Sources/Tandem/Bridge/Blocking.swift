internal import CTandem

/// Runs blocking code from async code: the running task borrows a green stack, and `body` runs on it, on this hub.
///
/// No task is created, so task-locals, cancellation and priority are the caller's. The call returns when `body` has returned or
/// thrown. Inside `body`, blocking calls park only this green thread; meanwhile the hub runs other jobs. If the calling task is
/// not on a hub, `body` runs on a hub of the shared group.
///
/// Ends the process if no memory for a stack can be mapped.
///
/// - Parameters:
///   - name: The name of the green thread, for dumps and for messages about overflow or stalls.
///   - file: The caller's file, for `Hub.bridgeSites`.
///   - line: The caller's line, for `Hub.bridgeSites`; 0 to leave the call out there.
///   - body: The blocking code. It does not escape.
/// - Throws: The error that `body` throws, unchanged.
#if TANDEM_MIGRATION
@available(*, deprecated, message: "bridge to blocking code: make the code below it async [migration: bridge to blocking]")
#endif
@inlinable
public func blocking<Success, Failure: Error>(
    name: GreenThreadName = "blocking", file: StaticString = #fileID, line: UInt = #line, _ body: () throws(Failure) -> Success
) async throws(Failure) -> Success {
    var outcome: Result<Success, Failure>?
    await lend(name, file.utf8Start, line) {
        do throws(Failure) { outcome = .success(try body()) } catch { outcome = .failure(error) }
    }
    return try outcome!.get()
}

/// Holds `body` until it has run on a green stack.
@inline(never)
@usableFromInline
func lend(_ name: GreenThreadName, _ file: UnsafePointer<UInt8>, _ line: UInt, _ body: () -> Void) async {
    // Line 0 stands for calls of the server, which are left out.
    if line != 0, tandem_watches_bridges() { Hub.current?.watchBridge(.toBlocking, file, line, name.pointer) }
    let borrowed = BorrowedClosure.borrow(body)
    if let hub = Hub.current {
        if hub.mayLoseTask { await hub.hostFromElsewhere(name, borrowed) } else { await hub.host(name, borrowed) }
    } else {
        let hub = Hub.forCaller
        hub.reportCallFromElsewhere("blocking(name: \"\(name)\")")
        await hub.hostFromElsewhere(name, borrowed)
    }
}
