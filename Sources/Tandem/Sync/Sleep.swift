internal import CTandem
internal import Glibc

/// Suspends the task for at least `duration`; `.zero` lets other jobs run once. On a hub this uses the hub's timer, which may be
/// late by less than 1/64 of the duration, and by less than 1.05 ms: see ``Deadline``. A task that is on no hub uses
/// `Task.sleep`.
///
/// - Throws: `CancellationError` as soon as the task is cancelled, or the error given to `GreenThread.cancel(throwing:)`.
public func sleep(for duration: Duration) async throws {
    guard let hub = Hub.current else { return try await Task.sleep(for: duration) }
    guard duration > .zero else {
        await Task.yield()
        return try checkCancellation()
    }
    let wait = hub.waits.begin(deadline: .after(duration), for: "sleep")
    await park(wait)
    let cancelled = hub.waits.finish(wait) == .cancelled
    // A short sleep may end before the hub has seen an earlier cancellation.
    if cancelled || Task.isCancelled { throw Hub.cancellation }
}

/// Parks the green thread for at least `duration`; `.zero` lets other jobs run once, and is allowed everywhere. On an ordinary OS
/// thread this blocks the thread, nanosleep(2). Otherwise the same as the async form.
///
/// - Throws: The errors of the async form; `TandemError` `notOnGreenThread` when called directly in async code, or `wrongTask`.
@available(*, noasync)
#if TANDEM_MIGRATION
@available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
#endif
public func sleep(for duration: Duration, file: StaticString = #fileID, line: UInt = #line) throws {
    guard let hub = Hub.current, tandem_current_fiber() != nil else {
        return try sleepWithoutGreenThread(duration, file, line)
    }
    let fiber = try currentFiber("sleep", file, line)
    let wait = hub.waits.begin(deadline: duration > .zero ? .after(duration) : .never, for: "sleep")
    if duration <= .zero { hub.waits.wakeAfterJob(wait) }
    parkGreenThread(fiber, wait)
    let cancelled = hub.waits.finish(wait) == .cancelled
    if cancelled || Task.isCancelled { throw Hub.cancellation }
}

private func sleepWithoutGreenThread(_ duration: Duration, _ file: StaticString, _ line: UInt) throws(TandemError) {
    let onThread = tandem_current_hub() == nil && tandem_current_task() == nil
    guard duration > .zero else {
        if onThread { sched_yield() }
        return
    }
    guard onThread else { throw .misuse("sleep", file, line) }
    let nanoseconds = duration.nanosecondsClamped
    var left = timespec(tv_sec: Int(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
    withUnsafeMutablePointer(to: &left) { left in while nanosleep(left, left) != 0 {} }
}
