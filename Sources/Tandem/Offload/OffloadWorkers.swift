internal import CTandem
internal import Glibc
internal import Synchronization

/// The threads of one `OffloadPool` and the jobs that they take. Separate from the pool, so that its threads do not keep the pool
/// alive.
///
/// While the lock is held, no job is run, and no object that a job has captured is released.
final class OffloadWorkers: Sendable {
    private struct State {
        var queue = OffloadQueue()
        var running: Set<OffloadQueue.Ticket> = []
        var threads: Set<pthread_t> = []
        // The signals of idle threads. The thread that became idle last is woken first: its stack is warm.
        var idle: [ThreadEvent] = []
        var isStopping = false
        // All counters except `threads`, `running` and `queued`, which follow from the fields above.
        var counts = OffloadStatistics()
    }

    private enum Step {
        case run(OffloadQueue.Ticket, OffloadJob)
        case rest
        case end(isLast: Bool)
    }

    let name: String
    let threadLimit: Int
    let queueLimit: Int
    /// Settled when the pool has been stopped and its last thread has exited.
    let ended = Event<Void>(waitedForAs: "offload shutdown", happensOnThread: true)
    private let state = Mutex(State())

    init(name: String, threadLimit: Int, queueLimit: Int) {
        self.name = name
        self.threadLimit = threadLimit
        self.queueLimit = queueLimit
    }

    var statistics: OffloadStatistics {
        state.withLock { state in
            var counts = state.counts
            counts.threads = state.threads.count
            counts.running = state.running.count
            counts.queued = state.queue.count
            return counts
        }
    }

    /// Whether the caller runs on one of these threads.
    var isCurrent: Bool { state.withLock { $0.threads.contains(pthread_self()) } }

    // MARK: The caller's side

    /// Queues a job for the next idle thread.
    func submit(_ job: OffloadJob) throws(TandemError) -> OffloadQueue.Ticket {
        let (ticket, sleeper) = try state.withLock { state throws(TandemError) in
            do throws(TandemError) { try admit(&state) } catch {
                state.counts.rejected += 1
                throw error
            }
            let ticket = state.queue.append(job)
            state.counts.queuedHighWater = max(state.counts.queuedHighWater, state.queue.count)
            return (ticket, state.idle.popLast())
        }
        sleeper?.set()
        return ticket
    }

    /// Withdraws or abandons a job because its caller no longer waits. Does nothing if the job has ended.
    func leave(_ ticket: OffloadQueue.Ticket) {
        // The job is released when this returns, outside the lock.
        _ = state.withLock { state in
            let job = state.queue.remove(ticket)
            if job != nil {
                state.counts.withdrawn += 1
            } else if state.running.contains(ticket) {
                state.counts.abandoned += 1
            }
            return job
        }
    }

    /// Refuses queued and later jobs, and makes each thread exit after its present job. Does not wait for that.
    func stop() {
        let (refused, sleepers, isEmpty) = state.withLock { state in
            state.isStopping = true
            var refused: [OffloadJob] = []
            while let (_, job) = state.queue.popFirst() { refused.append(job) }
            state.counts.rejected += refused.count
            defer { state.idle = [] }
            return (refused, state.idle, state.threads.isEmpty)
        }
        for job in refused { job.refuse(.poolStopped(name)) }
        for sleeper in sleepers { sleeper.set() }
        if isEmpty { ended.send(()) }
    }

    /// Checks that one more job is allowed, and starts a thread for it if needed.
    private func admit(_ state: inout State) throws(TandemError) {
        guard !state.isStopping else { throw .poolStopped(name) }
        let jobs = state.running.count + state.queue.count
        guard jobs < threadLimit + queueLimit else { throw .overloaded(name, threads: threadLimit, queueLimit: queueLimit) }
        guard state.threads.count < min(jobs + 1, threadLimit) else { return }
        do throws(TandemError) {
            // Under the lock, so that the new thread's first step waits until the thread is listed.
            state.threads.insert(try startThread(number: state.threads.count))
        } catch {
            // Without the new thread the job waits longer; without any thread it would wait forever.
            if state.threads.isEmpty { throw error }
        }
    }

    // MARK: The threads' side

    private func startThread(number: Int) throws(TandemError) -> pthread_t {
        final class Start: Sendable {
            let workers: OffloadWorkers
            let number: Int
            init(_ workers: OffloadWorkers, _ number: Int) {
                self.workers = workers
                self.number = number
            }
        }
        var thread = pthread_t()
        let start = Unmanaged.passRetained(Start(self, number))
        let failed = pthread_create(
            &thread, nil,
            { context in
                let start = Unmanaged<Start>.fromOpaque(context!).takeRetainedValue()
                pthread_detach(pthread_self())
                tandem_name_thread("\(start.workers.name)-\(start.number)")
                start.workers.work()
                return nil
            }, start.toOpaque())
        guard failed == 0 else {
            start.release()
            throw .systemCall("pthread_create", failed)
        }
        return thread
    }

    /// The loop of one thread.
    private func work() {
        let bell = ThreadEvent()
        while true {
            switch nextStep(bell) {
            case .run(let ticket, let job): job.run { finish(ticket) }
            case .rest: bell.wait()
            case .end(let isLast):
                if isLast { ended.send(()) }
                return
            }
        }
    }

    private func nextStep(_ bell: ThreadEvent) -> Step {
        state.withLock { state in
            if let (ticket, job) = state.queue.popFirst() {
                state.running.insert(ticket)
                state.counts.runningHighWater = max(state.counts.runningHighWater, state.running.count)
                return .run(ticket, job)
            }
            guard state.isStopping else {
                state.idle.append(bell)
                return .rest
            }
            state.threads.remove(pthread_self())
            return .end(isLast: state.threads.isEmpty)
        }
    }

    private func finish(_ ticket: OffloadQueue.Ticket) {
        state.withLock { state in
            state.running.remove(ticket)
            state.counts.completed += 1
        }
    }
}

extension TandemError {
    static func overloaded(_ pool: String, threads: Int, queueLimit: Int) -> TandemError {
        TandemError(
            .overloaded,
            """
            the offload pool "\(pool)" is full: \(threads) thread(s) busy and \(queueLimit) job(s) queued. \
            Offload less at once, or give the pool more threads or a higher queueLimit.
            """)
    }

    static func poolStopped(_ pool: String) -> TandemError {
        TandemError(.poolStopped, "the offload pool \"\(pool)\" was shut down before this job started")
    }
}
