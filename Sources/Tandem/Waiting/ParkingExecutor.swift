internal import CTandem

/// The executor on which tasks suspend without a continuation.
///
/// A wait with a continuation takes a change of executor, the continuation, its resumption through the task's list of executor
/// preferences, and a change back. Here the task changes to this actor. Its executor does not run the job but stores it in the
/// wait. Waking the wait puts the job into the hub's queue, and the hub runs it like any other. So a wait costs two changes of
/// executor and nothing else.
///
/// There is one instance per process. It finds the wait through the thread, because no other job runs on the thread in between.
actor ParkingExecutor: SerialExecutor {
    static let shared = ParkingExecutor()

    nonisolated var unownedExecutor: UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }

    /// Suspends the running task until the job that `enqueue` stored in `wait` is run. Returns whether the wait is over.
    static func enter(_ wait: Wait) async -> Bool {
        // Used only by this task, on this thread.
        nonisolated(unsafe) let wait = wait
        tandem_set_parking(wait)
        return await shared.isOver(wait)
    }

    /// Calling this is what suspends the task. The body must read memory: otherwise the compiler omits the change of executor.
    private func isOver(_ wait: Wait) -> Bool { wait.pointee.woken_by != 0 }

    /// Stores the job in the wait. Called by the Swift runtime, on the thread of the task that suspends.
    nonisolated func enqueue(_ job: consuming ExecutorJob) {
        let unowned = UnownedJob(job)
        let job = unsafeBitCast(unowned, to: Job.self)
        if let wait = tandem_parking(), wait.pointee.task == UnsafeRawPointer(job), wait.pointee.woken_by == 0 {
            tandem_set_parking(nil)
            // The task goes on for the executor that it was on, so changing back to that costs nothing.
            job.pointee.kind_and_delay = tandem_job_kind()
            wait.pointee.job = job
        } else if let hub = Hub.current {
            // Swift has run other jobs on the way here, and one of them has woken this task: it checks its wait again.
            job.pointee.kind_and_delay = tandem_job_kind()
            hub.loop.accept(job)
        } else {
            (globalConcurrentExecutor as any TaskExecutor).enqueue(unowned)
        }
    }
}
