internal import Tandem

/// A connection that stays idle gives up its task, and with it the memory that its deepest request took.
extension Connection {
    /// How long a connection is idle before it is at rest, and has no task any more: longer than a busy client is between two
    /// requests, so that a task is made at most ten times a second.
    static let restsAfter = Duration.milliseconds(100)

    /// Has `wake` called when there is something to do: a byte has come, the peer has gone, or the idle time is over.
    func rest(until wake: @escaping () -> Void) {
        isIdle = true
        arm(idleDeadline)
        descriptor.whenReadable { [unowned self] in
            disarm()
            isIdle = false
            wake()
        }
    }

    /// Sets the connection's one timer, which ends the grace of a handler, or the connection's rest.
    func arm(_ deadline: Deadline) {
        let timer =
            timer
            ?? HubTimer(on: server.hub) { [unowned self] in
                if handlerRuns { graceIsOver() } else if rests { drain() }
            }
        self.timer = timer
        timer.arm(deadline)
    }

    func disarm() { timer?.disarm() }
}
