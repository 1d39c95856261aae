internal import CTandem
internal import Glibc

/// Calls async code from blocking code and returns its result.
///
/// On a green thread the green stack hands the thread back to its task, which awaits `operation` itself: no task is
/// made, so task-locals, cancellation and priority are the caller's own, and the hub serves others meanwhile. When
/// `operation` does not suspend, neither does the task. On an ordinary OS thread that thread really blocks, and the
/// operation runs on a hub of the shared group. The main thread runs what comes into the main queue while it waits, the main
/// actor's code among it: so this works at the top level of `main.swift`, whose closures are the main actor's.
///
/// - Parameter isolation: Leave it at its default: the actor that the calling code, and so the closure, belongs to.
/// - Throws: What `operation` throws, the same value, save that its `CancellationError` becomes the error given to
///   `GreenThread.cancel(throwing:)`, if this thread was cancelled by it; `TandemError` `notOnGreenThread`, naming the caller's file and
///   line, when called directly in async code, where nothing can be parked.
@available(*, noasync)
@inlinable
public func awaiting<Success>(
    file: StaticString = #fileID, line: UInt = #line, isolation: (any Actor)? = #isolation,
    _ operation: () async throws -> Success
) throws -> Success {
    var outcome: Result<Success, any Error>?
    try hand(
        over: {
            do { outcome = .success(try await operation()) } catch { outcome = .failure(error) }
        }, file, line, isolation)
    do { return try outcome!.get() } catch { throw cause(of: error) }
}

/// As `awaiting`, for an operation that throws one type of error, which can also say that the bridge was misused: the
/// call throws just that type.
@available(*, noasync)
@inlinable
public func awaiting<Success, Failure: BridgeFailure>(
    file: StaticString = #fileID, line: UInt = #line, isolation: (any Actor)? = #isolation,
    _ operation: () async throws(Failure) -> Success
) throws(Failure) -> Success {
    var outcome: Result<Success, Failure>?
    do throws(TandemError) {
        try hand(
            over: {
                do throws(Failure) { outcome = .success(try await operation()) } catch { outcome = .failure(error) }
            }, file, line, isolation)
    } catch {
        throw Failure(misuse: error)
    }
    return try outcome!.get()
}

/// As `awaiting`, for an operation that throws nothing: what is left is misuse of the bridge.
@available(*, noasync)
@inlinable
public func awaiting<Success>(
    file: StaticString = #fileID, line: UInt = #line, isolation: (any Actor)? = #isolation,
    _ operation: () async -> Success
) throws(TandemError) -> Success {
    var outcome: Success?
    try hand(over: { outcome = await operation() }, file, line, isolation)
    return outcome!
}

/// Async code that was cancelled says `CancellationError`, whatever the reason.
@inline(never)
@usableFromInline
func cause(of error: any Error) -> any Error { error is CancellationError ? Hub.cancellation : error }

/// An error type that can carry a misuse of the bridge, so that typed throws cross `awaiting` unchanged.
public protocol BridgeFailure: Error {
    /// The operation was never called: `awaiting` stood where nothing can be parked.
    init(misuse: TandemError)
}

/// Has `operation` awaited by the task that owns this stack, and returns when it has ended. Owns it until then.
@inline(never)
@usableFromInline
func hand(
    over operation: () async -> Void, _ file: StaticString, _ line: UInt, _ isolation: (any Actor)?
) throws(TandemError) {
    let borrowed = BorrowedClosure.borrow(operation)
    if let fiber = tandem_current_fiber() {
        guard fiber.pointee.task == tandem_current_task() else { throw .wrongTask("awaiting", file, line) }
        fiber.operation.initialize(to: borrowed)
        tandem_fiber_suspend(fiber, .awaiting)
    } else if tandem_current_hub() != nil || tandem_current_task() != nil {
        throw .misuse("awaiting", file, line)
    } else if tandem_main_queue_can_run() {
        try blockMainThread(on: borrowed)
    } else if isolation != nil {
        throw .blocksItsActor("awaiting", file, line)
    } else {
        let done = ThreadEvent()
        start(borrowed) { done.set() }
        done.wait()
    }
}

/// Blocks the main thread as far as its own code goes; the main actor's other code runs.
private func blockMainThread(on operation: BorrowedClosure) throws(TandemError) {
    let done = tandem_eventfd()
    guard done >= 0 else { throw .systemCall("eventfd", -done) }
    start(operation) { tandem_eventfd_add(done) }
    tandem_main_queue_run(done)
    close(done)
}

/// Runs the operation on a hub, for a thread that is no hub's, runs no task, and blocks until `whenDone` is called.
private func start(_ operation: BorrowedClosure, whenDone: @escaping @Sendable () -> Void) {
    // Carried to another thread while this one only waits: nobody uses it twice.
    nonisolated(unsafe) let operation = operation
    Task(executorPreference: HubGroup.shared.nextHub()) {
        await operation.callAsync()
        whenDone()
    }
}
