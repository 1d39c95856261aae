internal import CTandem
internal import Glibc

/// Calls async code from blocking code and returns its result.
///
/// On a green thread, the green stack returns control to its task, which awaits `operation` itself. No task is created, so
/// task-locals, cancellation and priority are the caller's. Meanwhile the hub runs other jobs. If `operation` does not suspend,
/// neither does the task.
///
/// On an ordinary OS thread, the call blocks that thread, and `operation` runs on a hub of the shared group. The main thread runs
/// the main queue while it waits, and with it the main actor's code. So `awaiting` works at the top level of `main.swift`, where
/// closures belong to the main actor.
///
/// - Parameters:
///   - file: The caller's file, for error messages.
///   - line: The caller's line, for error messages.
///   - isolation: The actor that the calling code, and so the closure, belongs to. Leave it at its default.
///   - operation: The async code. It does not escape.
/// - Throws: The error that `operation` throws, unchanged. If this thread was cancelled by `GreenThread.cancel(throwing:)`, a
///   `CancellationError` of `operation` becomes the error given there. `TandemError` `notOnGreenThread`, with the caller's file
///   and line, when called directly in async code; `wrongTask` in a task that runs on top of another task's green stack;
///   `systemCall` if the kernel refuses the main thread an eventfd. In these three cases `operation` was not called.
@available(*, noasync)
#if TANDEM_MIGRATION
@available(
    *, deprecated, message: "bridge to async code: make the caller async, and await the operation [migration: bridge to async]"
)
#endif
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

/// Calls async code that throws one type of error, and throws only that type. Otherwise the same as the form for any error.
///
/// `Failure` must be able to represent misuse of the bridge: see ``BridgeFailure``.
@available(*, noasync)
#if TANDEM_MIGRATION
@available(
    *, deprecated, message: "bridge to async code: make the caller async, and await the operation [migration: bridge to async]"
)
#endif
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

/// Calls async code that does not throw. Otherwise the same as the form for any error. Throws `TandemError` if the bridge is
/// misused: `notOnGreenThread`, `wrongTask` or `systemCall`.
@available(*, noasync)
#if TANDEM_MIGRATION
@available(
    *, deprecated, message: "bridge to async code: make the caller async, and await the operation [migration: bridge to async]"
)
#endif
@inlinable
public func awaiting<Success>(
    file: StaticString = #fileID, line: UInt = #line, isolation: (any Actor)? = #isolation,
    _ operation: () async -> Success
) throws(TandemError) -> Success {
    var outcome: Success?
    try hand(over: { outcome = await operation() }, file, line, isolation)
    return outcome!
}

/// Cancelled async code throws `CancellationError`, whatever the reason. Replaces it by the error that the thread was cancelled
/// with.
@inline(never)
@usableFromInline
func cause(of error: any Error) -> any Error { error is CancellationError ? Hub.cancellation : error }

/// An error type that can represent misuse of the bridge, so that `awaiting` can throw the same type as its operation.
public protocol BridgeFailure: Error {
    /// Creates an error for an operation that was not called, because `awaiting` could not wait for it at that place.
    init(misuse: TandemError)
}

/// Makes the task that owns this stack await `operation`, and returns when `operation` has ended. Holds the closure until then.
@inline(never)
@usableFromInline
func hand(
    over operation: () async -> Void, _ file: StaticString, _ line: UInt, _ isolation: (any Actor)?
) throws(TandemError) {
    let borrowed = BorrowedClosure.borrow(operation)
    if let fiber = tandem_current_fiber() {
        guard fiber.pointee.task == tandem_current_task() else { throw .wrongTask("awaiting", file, line) }
        if line != 0, tandem_watches_bridges() { Hub.current?.watchBridge(.toAsync, file.utf8Start, line, fiber.pointee.name) }
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

/// Blocks the caller's own code on the main thread; the main queue, and with it the main actor's other code, keeps running.
private func blockMainThread(on operation: BorrowedClosure) throws(TandemError) {
    let done = tandem_eventfd()
    guard done >= 0 else { throw .systemCall("eventfd", -done) }
    start(operation) { tandem_eventfd_add(done) }
    tandem_main_queue_run(done)
    close(done)
}

/// Starts the operation on a hub, for a caller on an OS thread without hub or task. That caller blocks until `whenDone` is
/// called.
private func start(_ operation: BorrowedClosure, whenDone: @escaping @Sendable () -> Void) {
    // The closure moves to another thread while this one only waits, so it is never used by both.
    nonisolated(unsafe) let operation = operation
    Task(executorPreference: Hub.forCaller) {
        await operation.callAsync()
        whenDone()
    }
}
