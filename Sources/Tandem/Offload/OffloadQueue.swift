/// The jobs that have not started, in order of arrival. A job anywhere in the queue is removed in constant time and leaves
/// nothing behind, so cancelled callers use no memory.
struct OffloadQueue {
    /// A job's position in the order of arrival. Tickets are never reused.
    typealias Ticket = UInt64

    private var jobs: [Ticket: OffloadJob] = [:]
    private var first: Ticket = 0
    private var end: Ticket = 0

    var count: Int { jobs.count }

    mutating func append(_ job: OffloadJob) -> Ticket {
        defer { end += 1 }
        jobs[end] = job
        return end
    }

    mutating func popFirst() -> (ticket: Ticket, job: OffloadJob)? {
        while first < end {
            defer { first += 1 }
            // nil: the job was removed.
            if let job = jobs.removeValue(forKey: first) { return (first, job) }
        }
        return nil
    }

    /// Removes and returns a job. Returns nil if it has already left the queue.
    mutating func remove(_ ticket: Ticket) -> OffloadJob? { jobs.removeValue(forKey: ticket) }
}
