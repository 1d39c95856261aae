@_spi(ExperimentalCustomExecutors) @_spi(ExperimentalScheduling) internal import _Concurrency
internal import CTandem
internal import Synchronization

/// Swift's global executor while hubs have taken it over: every task without an executor of its own runs on one of these hubs, with
/// the delayed jobs of `Task.sleep`. A task that is enqueued on the thread of such a hub runs on that hub, any other on the hubs in
/// turn.
///
/// The main actor runs on the hub that owns the main thread, if there is one.
///
/// Swift replaces its executors by `_createExecutors`, also while tasks run: a task that is suspended then continues on the new
/// executor. The runtime's older hooks (`swift_task_enqueueGlobal_hook`) see neither delayed jobs nor the main actor on Swift 6.3.
final class GlobalExecutor: TaskExecutor, SchedulingExecutor, Sendable {
    static let shared = GlobalExecutor()

    private struct State {
        var hubs: [Hub] = []
        var turn = 0
        var mainHub: Hub?
    }

    private let state = Mutex(State())

    // MARK: Taking over

    /// Makes these hubs the global executor if their configuration says so. Throws `TandemError` `executorTaken` if other hubs are.
    func beTaken(by hubs: [Hub]) throws(TandemError) {
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
        _createExecutors(factory: HubExecutors.self)
    }

    /// Records the hub if it owns the main thread. Called on the hub's thread when it begins.
    func enter(_ hub: Hub) {
        if tandem_is_main_thread() { state.withLock { $0.mainHub = hub } }
    }

    /// Forgets the hub that owned the main thread, and gives the executor back with the last hub. Called on the hub's thread when it
    /// ends.
    func leave(_ hub: Hub) {
        state.withLock { state in
            if state.mainHub === hub { state.mainHub = nil }
        }
        beGivenBack(by: [hub])
    }

    /// Removes hubs, and makes Swift's executor the global one again with the last of them. Any thread.
    func beGivenBack(by hubs: [Hub]) {
        let isLast = state.withLock { state in
            let count = state.hubs.count
            state.hubs.removeAll { hub in hubs.contains { $0 === hub } }
            return count > 0 && state.hubs.isEmpty
        }
        if isLast { _createExecutors(factory: PlatformExecutorFactory.self) }
    }

    // MARK: Enqueuing

    func enqueue(_ job: consuming ExecutorJob) {
        guard let hub = nextHub() else { return platform.enqueue(job) }
        hub.enqueue(UnownedJob(job), for: TANDEM_JOB_GLOBAL)
    }

    /// Takes over a job of a hub that has ended, so that a task that outlived its hub can end.
    func take(over job: Job) {
        let unowned = unsafeBitCast(job, to: UnownedJob.self)
        if job.kind == TANDEM_JOB_MAIN {
            enqueueOnMain(unowned)
        } else if job.delay > 0 {
            enqueue(ExecutorJob(unowned), after: .nanoseconds(Int64(job.delay)), tolerance: nil, clock: ContinuousClock())
        } else {
            // Swift's own: as long as no hub has taken it over, this type is not involved.
            (globalConcurrentExecutor as any TaskExecutor).enqueue(unowned)
        }
    }

    func enqueue<C: Clock>(
        _ job: consuming ExecutorJob, after delay: C.Duration, tolerance: C.Duration?, clock: C
    ) {
        guard let delay = delay as? Duration, let hub = nextHub() else {
            return (platform as! any SchedulingExecutor).enqueue(job, after: delay, tolerance: tolerance, clock: clock)
        }
        hub.enqueue(UnownedJob(job), for: TANDEM_JOB_GLOBAL, after: delay.nanosecondsClamped)
    }

    func enqueue<C: Clock>(
        _ job: consuming ExecutorJob, at instant: C.Instant, tolerance: C.Duration?, clock: C
    ) {
        enqueue(job, after: clock.now.duration(to: instant), tolerance: tolerance, clock: clock)
    }

    fileprivate func enqueueOnMain(_ job: UnownedJob) {
        if let hub = state.withLock({ $0.mainHub }) {
            hub.enqueue(job, for: TANDEM_JOB_MAIN)
        } else {
            PlatformExecutorFactory.mainExecutor.enqueue(ExecutorJob(job))
        }
    }

    /// The executor of a task that runs on the global executor, and prefers no task executor.
    static var noExecutor: UnownedSerialExecutor { unsafeBitCast((0, 0), to: UnownedSerialExecutor.self) }

    private var platform: any TaskExecutor { PlatformExecutorFactory.defaultExecutor }

    /// The hub for a task that is enqueued by the caller; nil if no hub has taken over the executor. Any thread.
    func nextHub() -> Hub? {
        if let hub = Hub.current, hub.configuration.takesOverGlobalExecutor { return hub }
        return state.withLock { state in
            guard !state.hubs.isEmpty else { return nil }
            state.turn &+= 1
            return state.hubs[state.turn % state.hubs.count]
        }
    }
}

/// The main actor's executor while hubs have taken over the global one.
final class MainActorExecutor: MainExecutor, Sendable {
    static let shared = MainActorExecutor()

    func enqueue(_ job: consuming ExecutorJob) { GlobalExecutor.shared.enqueueOnMain(UnownedJob(job)) }

    /// Not called: the main thread runs a hub.
    func run() throws { try PlatformExecutorFactory.mainExecutor.run() }
    func stop() { PlatformExecutorFactory.mainExecutor.stop() }

    func checkIsolated() { precondition(tandem_is_main_thread(), "the main actor's code must run on the main thread") }
    func isIsolatingCurrentContext() -> Bool? { tandem_is_main_thread() }
}

private struct HubExecutors: ExecutorFactory {
    static var mainExecutor: any MainExecutor { MainActorExecutor.shared }
    static var defaultExecutor: any TaskExecutor { GlobalExecutor.shared }
}
