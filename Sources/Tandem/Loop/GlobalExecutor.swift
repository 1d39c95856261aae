@_spi(ExperimentalCustomExecutors) @_spi(ExperimentalScheduling) internal import _Concurrency
internal import CTandem
internal import Synchronization

/// Swift's global executor once hubs have taken it over: while there are such hubs, every task without an executor of its own runs on
/// one of them, with the delayed jobs of `Task.sleep`. A task that is enqueued on the thread of such a hub runs on that hub, any other
/// on the hubs in turn. Without such hubs it hands everything to Swift's own executor.
///
/// The main actor runs on the hub that owns the main thread, if there is one.
///
/// Swift replaces its executors by `_createExecutors`, also while tasks run: a task that is suspended then continues on the new
/// executor. It is called once per process, because it is not safe beside itself. The runtime's older hooks
/// (`swift_task_enqueueGlobal_hook`) see neither delayed jobs nor the main actor on Swift 6.3.
final class GlobalExecutor: TaskExecutor, SchedulingExecutor, Sendable {
    static let shared = GlobalExecutor()

    private struct State {
        /// The hubs that have taken over.
        var hubs: [Hub] = []
        var turn = 0
        /// The hubs of the main thread. The last one runs; a guest hub may run another.
        var ofMainThread: [Hub] = []
    }

    private let state = Mutex(State())
    // Swift's own executors, or those of the program's `DefaultExecutorFactory`.
    private let formerDefault: any TaskExecutor
    private let formerMain: any MainExecutor

    private init() {
        formerDefault = Task.defaultExecutor
        formerMain = MainActor.executor
    }

    /// Replaces Swift's executors, once.
    private static let installed: Void = _createExecutors(factory: HubExecutors.self)

    // MARK: Hubs

    /// Makes these hubs the global executor if their configuration says so. Throws `TandemError` `executorTaken` if other hubs are.
    func install(_ hubs: [Hub]) throws(TandemError) {
        guard hubs[0].configuration.takesOverGlobalExecutor else { return }
        let isFree = state.withLock { state in
            guard state.hubs.isEmpty else { return false }
            state.hubs = hubs
            return true
        }
        guard isFree else {
            throw TandemError(
                .executorTaken,
                "other hubs have taken over Swift's global executor already: only one hub or group of a process can")
        }
        for hub in hubs {
            hub.sharesGlobalTasks.store(hubs.count > 1, ordering: .relaxed)
            hub.runsGlobalTasks.store(true, ordering: .relaxed)
        }
        GlobalExecutor.installed
    }

    /// Removes hubs: from now on their tasks run on the other hubs, or on Swift's own executor. Any thread.
    func remove(_ hubs: [Hub]) {
        for hub in hubs { hub.runsGlobalTasks.store(false, ordering: .relaxed) }
        state.withLock { state in
            state.hubs.removeAll { hub in hubs.contains { $0 === hub } }
        }
    }

    /// Records a hub that owns the main thread. The main actor runs there from the time when a hub has taken over the executor, or at
    /// once if the hub's configuration says so. Called on the main thread, before the hub runs.
    func enterMainThread(_ hub: Hub) {
        state.withLock { $0.ofMainThread.append(hub) }
        if hub.configuration.servesMainActor { GlobalExecutor.installed }
    }

    /// Forgets a hub that owned the main thread. Any thread.
    func leaveMainThread(_ hub: Hub) { state.withLock { $0.ofMainThread.removeAll { $0 === hub } } }

    /// The hub for a task that the caller enqueues; nil if no hub has taken over the executor. Any thread.
    func nextHub() -> Hub? {
        if let hub = Hub.current, hub.runsGlobalTasks.load(ordering: .relaxed) { return hub }
        return state.withLock { state in
            guard !state.hubs.isEmpty else { return nil }
            state.turn &+= 1
            return state.hubs[state.turn % state.hubs.count]
        }
    }

    // MARK: Enqueuing

    func enqueue(_ job: consuming ExecutorJob) {
        guard let hub = nextHub() else { return formerDefault.enqueue(job) }
        hub.enqueue(UnownedJob(job), for: TANDEM_JOB_GLOBAL)
    }

    func enqueue<C: Clock>(
        _ job: consuming ExecutorJob, after delay: C.Duration, tolerance: C.Duration?, clock: C
    ) {
        if let delay = delay as? Duration, let hub = nextHub() {
            hub.enqueue(UnownedJob(job), for: TANDEM_JOB_GLOBAL, after: delay.nanosecondsClamped)
        } else {
            ((formerDefault as? any SchedulingExecutor) ?? PlatformExecutorFactory.defaultExecutor as! any SchedulingExecutor)
                .enqueue(job, after: delay, tolerance: tolerance, clock: clock)
        }
    }

    func enqueue<C: Clock>(
        _ job: consuming ExecutorJob, at instant: C.Instant, tolerance: C.Duration?, clock: C
    ) {
        enqueue(job, after: clock.now.duration(to: instant), tolerance: tolerance, clock: clock)
    }

    /// Runs a job of a hub that has ended elsewhere, so that a task that outlived its hub can end.
    func handOver(_ job: Job) {
        let unowned = unsafeBitCast(job, to: UnownedJob.self)
        if job.kind == TANDEM_JOB_MAIN {
            enqueueOnMain(unowned)
        } else if job.delay > 0 {
            enqueue(ExecutorJob(unowned), after: .nanoseconds(Int64(job.delay)), tolerance: nil, clock: ContinuousClock())
        } else {
            (globalConcurrentExecutor as any TaskExecutor).enqueue(unowned)
        }
    }

    fileprivate func enqueueOnMain(_ job: UnownedJob) {
        if let hub = state.withLock({ $0.ofMainThread.last }) {
            hub.enqueue(job, for: TANDEM_JOB_MAIN)
        } else {
            formerMain.enqueue(ExecutorJob(job))
        }
    }

    fileprivate var former: any MainExecutor { formerMain }

    /// The executor of a task that runs on the global executor, and prefers no task executor.
    static var noExecutor: UnownedSerialExecutor { unsafeBitCast((0, 0), to: UnownedSerialExecutor.self) }
}

/// The main actor's executor once hubs have taken over the global one.
final class MainActorExecutor: MainExecutor, Sendable {
    static let shared = MainActorExecutor()

    func enqueue(_ job: consuming ExecutorJob) { GlobalExecutor.shared.enqueueOnMain(UnownedJob(job)) }

    func run() throws { try GlobalExecutor.shared.former.run() }
    func stop() { GlobalExecutor.shared.former.stop() }

    func checkIsolated() { precondition(tandem_is_main_thread(), "the main actor's code must run on the main thread") }
    func isIsolatingCurrentContext() -> Bool? { tandem_is_main_thread() }
}

private struct HubExecutors: ExecutorFactory {
    static var mainExecutor: any MainExecutor { MainActorExecutor.shared }
    static var defaultExecutor: any TaskExecutor { GlobalExecutor.shared }
}
