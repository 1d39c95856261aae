internal import CTandem

/// Where tasks suspend without a continuation.
///
/// Waiting for a continuation is a change of executor, the continuation itself, its resumption through the task's list of
/// executor preferences, and a change back. Here the task just goes over to this actor, whose executor, instead of running it,
/// leaves its job in the wait; waking puts that job on the hub's queue, and the hub runs it as any other. So a wait is one
/// change of executor there and one back.
///
/// One for the process: which wait is meant is known by the thread, on which nothing else runs between the two.
actor ParkingExecutor: SerialExecutor {
    static let shared = ParkingExecutor()

    nonisolated var unownedExecutor: UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }

    /// Suspends the running task until the job that `enqueue` has put into `wait` is run. Returns whether the wait is over.
    static func enter(_ wait: Wait) async -> Bool {
        // Used by this task alone, on this thread.
        nonisolated(unsafe) let wait = wait
        tandem_set_parking(wait)
        return await shared.isOver(wait)
    }

    /// To get here is what the task is for. A body that reads no memory would not do: for that the compiler leaves out the
    /// change of executor.
    private func isOver(_ wait: Wait) -> Bool { wait.pointee.woken_by != 0 }

    /// Called by the Swift runtime, on the thread of the task that suspends.
    nonisolated func enqueue(_ job: consuming ExecutorJob) {
        let unowned = UnownedJob(job)
        let job = unsafeBitCast(unowned, to: UnsafeMutablePointer<tandem_job>.self)
        if let wait = tandem_parking(), wait.pointee.task == UnsafeRawPointer(job), wait.pointee.woken_by == 0 {
            tandem_set_parking(nil)
            wait.pointee.job = job
        } else if let hub = Hub.current {
            // Swift has run others on the way here, and one of them has woken it: it looks again.
            hub.append(job)
        } else {
            (globalConcurrentExecutor as any TaskExecutor).enqueue(unowned)
        }
    }
}
