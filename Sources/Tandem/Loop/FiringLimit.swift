/// The limit up to which timers may fire: the time when the kernel was last asked, once the jobs that its answer woke have run.
///
/// So a deadline never wins over an event that arrived in time. Only the jobs that were woken by then count: if timers waited for
/// later ones too, a steady stream of woken jobs could keep them from firing.
struct FiringLimit {
    /// Deadlines up to this time may fire, in nanoseconds on the hub's clock.
    private(set) var time: UInt64 = 0
    // The time of the kernel's last complete answer.
    private var asked: UInt64 = 0
    // The value that `time` gets when `jobsAhead` more jobs have run.
    private var next: UInt64 = 0
    private var jobsAhead: UInt64 = 0
    private var incompleteAnswers = 0

    /// Records that all events that happened before `time` have been delivered.
    mutating func asked(at time: UInt64) {
        asked = time
        incompleteAnswers = 0
    }

    /// Records an answer of the kernel. An incomplete answer had no room for all events. The kernel reports registrations in
    /// turn, so after one incomplete answer per `EpollPoller.eventsPerWait` registrations each has been reported.
    mutating func answered(at time: UInt64, isComplete: Bool, registrations: Int) {
        if isComplete || incompleteAnswers > registrations / EpollPoller.eventsPerWait {
            asked(at: time)
        } else {
            incompleteAnswers += 1
        }
    }

    /// Begins a turn. `count` is the number of jobs that the kernel, other threads and timers have woken.
    mutating func beginTurn(jobsAhead count: UInt64) {
        guard jobsAhead == 0 else { return }
        next = asked
        jobsAhead = count
    }

    /// Records that `count` of the woken jobs have run, in order of arrival.
    mutating func didRun(_ count: Int) {
        jobsAhead -= min(jobsAhead, UInt64(count))
        if jobsAhead == 0 { time = next }
    }
}
