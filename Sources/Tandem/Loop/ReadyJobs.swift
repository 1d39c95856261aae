internal import CTandem

/// A Swift job, through the words of it that belong to its executor.
typealias Job = UnsafeMutablePointer<tandem_job>

extension Job {
    /// The executor for which the job was enqueued.
    var kind: UInt { pointee.kind_and_delay & 3 }

    /// The delay after which the job may run, in nanoseconds.
    var delay: UInt64 {
        get { UInt64(pointee.kind_and_delay >> 2) }
        nonmutating set { pointee.kind_and_delay = kind | UInt(newValue) << 2 }
    }
}

/// The jobs of a hub that are ready to run, in two queues. Must be used on the hub's thread.
///
/// A value of this type refers to memory that the hub owns, so passing it on counts no references.
struct ReadyJobs {
    /// One of the two queues.
    enum Queue {
        /// Jobs that timers, the kernel or other threads have woken.
        case woken
        /// Jobs that other jobs have made ready.
        case others
    }

    private struct State {
        var woken = tandem_job_queue()
        var others = tandem_job_queue()
        /// Whether jobs that become ready go into `others`. True while a job runs, and always with a seeded order, so that the seed
        /// decides the whole order.
        var appendsToOthers = true
        var seeded: SeededOrder?
    }

    private let state: UnsafeMutablePointer<State>

    init(_ order: ReadyOrder) {
        state = .allocate(capacity: 1)
        state.initialize(to: State())
        if case .seeded(let seed) = order { state.pointee.seeded = SeededOrder(seed: seed) }
    }

    func deallocate() { state.deallocate() }

    var isEmpty: Bool { state.pointee.woken.head == nil && state.pointee.others.head == nil }

    /// The number of jobs in both queues.
    var count: UInt64 { state.pointee.woken.count + state.pointee.others.count }

    /// The number of jobs in the queue `woken`.
    var wokenCount: UInt64 { state.pointee.woken.count }

    func append(_ job: Job) {
        if state.pointee.appendsToOthers {
            tandem_job_queue_append(&state.pointee.others, job)
        } else {
            tandem_job_queue_append(&state.pointee.woken, job)
        }
    }

    /// Removes and returns the next job of one queue.
    func next(of queue: Queue) -> Job? {
        switch queue {
        case .woken: next(&state.pointee.woken)
        case .others: next(&state.pointee.others)
        }
    }

    private func next(_ queue: UnsafeMutablePointer<tandem_job_queue>) -> Job? {
        guard state.pointee.seeded != nil, queue.pointee.count > 1 else { return tandem_job_queue_pop(queue) }
        return tandem_job_queue_take(queue, state.pointee.seeded!.next(below: queue.pointee.count))
    }

    /// Removes and returns a ready job: first those of `woken`, then the others, each in order of arrival.
    func removeFirst() -> Job? { tandem_job_queue_pop(&state.pointee.woken) ?? tandem_job_queue_pop(&state.pointee.others) }

    /// Called before jobs run. From now on, jobs that become ready go into `others`.
    func willRunJobs() { state.pointee.appendsToOthers = true }

    /// Called after jobs have run. From now on they go into `woken`, unless the order is seeded.
    func didRunJobs() { state.pointee.appendsToOthers = state.pointee.seeded != nil }
}

/// A random number generator (SplitMix64). Every seed is usable, and the same seed gives the same numbers.
private struct SeededOrder {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next(below bound: UInt64) -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return (mixed ^ (mixed >> 31)).multipliedFullWidth(by: bound).high
    }
}
