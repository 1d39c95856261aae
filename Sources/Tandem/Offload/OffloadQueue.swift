/// Jobs that have not started, first come first served. A job in the middle is taken back in constant time and leaves
/// nothing behind, so cancelled callers cost no memory.
struct OffloadQueue {
    /// A job's place in the order of arrival, which no other job of the queue ever gets.
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
            // nil: it was taken back.
            if let job = jobs.removeValue(forKey: first) { return (first, job) }
        }
        return nil
    }

    /// Takes a job back; nil when it has left the queue already.
    mutating func remove(_ ticket: Ticket) -> OffloadJob? { jobs.removeValue(forKey: ticket) }
}
