internal import Tandem

/// The deadline of an exchange, and the time that the exchange had, for the message.
struct FetchDeadline {
    let deadline: Deadline
    /// The time from the call to the deadline; nil without a limit.
    let allowed: Duration?

    init(_ wanted: Deadline?, _ settings: FetchSettings, on hub: Hub) {
        if let wanted {
            deadline = wanted.onThisClock
            allowed = wanted.remaining
        } else {
            deadline = Deadline(nanoseconds: hub.clockTime.advanced(by: settings.timeLimit))
            allowed = settings.configuration.timeout
        }
    }

    var nanoseconds: UInt64 { deadline.nanoseconds }

    /// Returns whether the deadline has passed.
    func hasPassed(on hub: Hub) -> Bool { nanoseconds <= hub.clockTime }

    /// Returns the error of an exchange that has exceeded the deadline.
    func exceeded(_ origin: String) -> FetchError {
        FetchError(.timedOut, "\(origin): no complete answer within \(allowed ?? .zero)")
    }
}
