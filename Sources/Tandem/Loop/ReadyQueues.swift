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

/// The jobs of a hub that are ready to run, in two queues: jobs that timers, the kernel or other threads have woken, and the other
/// jobs. Must be used on the hub's thread.
struct ReadyQueues {
    typealias Queue = UnsafeMutablePointer<tandem_job_queue>

    let woken: Queue
    let others: Queue
    /// Whether jobs that become ready go into `others`: so while a job runs. With a seeded order they always do, so that the seed
    /// decides the whole order.
    private var appendsToOthers = true
    private var seeded: SeededOrder?

    init(_ order: ReadyOrder) {
        woken = .allocate(capacity: 2)
        woken.initialize(repeating: tandem_job_queue(), count: 2)
        others = woken + 1
        if case .seeded(let seed) = order { seeded = SeededOrder(seed: seed) }
    }

    func deallocate() { woken.deallocate() }

    var isEmpty: Bool { woken.pointee.head == nil && others.pointee.head == nil }

    func append(_ job: Job) { tandem_job_queue_append(appendsToOthers ? others : woken, job) }

    /// Removes and returns the next job of one queue.
    mutating func next(of queue: Queue) -> Job? {
        guard seeded != nil, queue.pointee.count > 1 else { return tandem_job_queue_pop(queue) }
        return tandem_job_queue_take(queue, seeded!.next(below: queue.pointee.count))
    }

    /// Removes and returns the first job, in order of arrival.
    func removeFirst() -> Job? { tandem_job_queue_pop(woken) ?? tandem_job_queue_pop(others) }

    mutating func willRunJobs() { appendsToOthers = true }
    mutating func didRunJobs() { appendsToOthers = seeded != nil }
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
