internal import Tandem

/// A deadline that moves with each request, over one timer of the hub. Setting the deadline arms the timer only if it would
/// fire too late. A timer that fires early is armed again for the deadline. So a busy connection never touches the hub's timers.
struct MovingDeadline {
    private var timer: HubTimer?
    /// The deadline, or `max` for none. All times here are in nanoseconds of the hub's clock.
    private var deadline = UInt64.max
    private var armed = UInt64.max
    /// Whether the deadline has passed since it was last set.
    private(set) var hasPassed = false

    /// Sets the deadline. `makeTimer` makes a timer that calls `timerFired`.
    mutating func set(_ deadline: UInt64, _ makeTimer: () -> HubTimer) {
        self.deadline = deadline
        hasPassed = false
        guard deadline < armed else { return }
        if timer == nil { timer = makeTimer() }
        arm(deadline)
    }

    /// Handles the firing of the timer. Returns whether the deadline has passed.
    mutating func timerFired(_ now: UInt64) -> Bool {
        armed = .max
        guard deadline != .max else { return false }
        guard deadline <= now else {
            arm(deadline)
            return false
        }
        deadline = .max
        hasPassed = true
        return true
    }

    /// Ends the timer.
    mutating func end() {
        timer?.disarm()
        timer = nil
    }

    private mutating func arm(_ deadline: UInt64) {
        armed = deadline
        timer!.arm(Deadline(nanoseconds: deadline))
    }
}

extension UInt64 {
    /// Returns this time plus `nanoseconds`, or `max` on overflow.
    func after(_ nanoseconds: UInt64) -> UInt64 {
        let (sum, isTooLong) = addingReportingOverflow(nanoseconds)
        return isTooLong ? .max : sum
    }
}
