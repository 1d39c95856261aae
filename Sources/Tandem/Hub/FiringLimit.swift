/// How far timers may fire: up to the moment when the kernel was last asked, once the jobs that its answer has woken have run.
///
/// So a deadline never beats an event that came in time. Waiting for all those jobs would let a crowd that is woken in each
/// turn keep timers from firing; so only those count that were woken by then.
struct FiringLimit {
    /// Deadlines up to here may fire, in nanoseconds on the hub's clock.
    private(set) var time: UInt64 = 0
    // When the kernel was last asked for all it had.
    private var asked: UInt64 = 0
    // What `time` becomes when this many more jobs have run.
    private var next: UInt64 = 0
    private var jobsAhead: UInt64 = 0
    private var incompleteAnswers = 0

    /// The kernel has nothing that came before this moment and was not delivered.
    mutating func asked(at time: UInt64) {
        asked = time
        incompleteAnswers = 0
    }

    /// An answer without room for everything says nothing about the rest. The kernel deals them out in turn, so after one for
    /// each `EpollPoller.eventsPerWait` registrations all have had theirs.
    mutating func answered(at time: UInt64, isComplete: Bool, registrations: Int) {
        if isComplete || incompleteAnswers > registrations / EpollPoller.eventsPerWait {
            asked(at: time)
        } else {
            incompleteAnswers += 1
        }
    }

    /// A turn begins, with this many jobs that the kernel, other threads and timers have woken.
    mutating func beginTurn(jobsAhead count: UInt64) {
        guard jobsAhead == 0 else { return }
        next = asked
        jobsAhead = count
    }

    /// This many of the woken jobs have run, first come, first served.
    mutating func didRun(_ count: Int) {
        jobsAhead -= min(jobsAhead, UInt64(count))
        if jobsAhead == 0 { time = next }
    }
}
