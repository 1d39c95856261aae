internal import Tandem

/// When an exchange must be over, and how long it was given, for the message.
struct FetchDeadline {
    let deadline: Deadline
    /// How long the exchange was given; nil without a limit.
    let allowed: Duration?

    init(_ wanted: Deadline?, _ settings: FetchSettings, on hub: Hub) {
        if let wanted {
            deadline = wanted
            allowed = wanted.remaining
        } else {
            deadline = Deadline(nanoseconds: hub.clockTime.advanced(by: settings.timeLimit))
            allowed = settings.configuration.timeout
        }
    }

    var nanoseconds: UInt64 { deadline.nanoseconds }

    /// Whether it has passed.
    func hasPassed(on hub: Hub) -> Bool { nanoseconds <= hub.clockTime }

    /// The error of an exchange that took longer.
    func exceeded(_ origin: String) -> FetchError {
        FetchError(.timedOut, "\(origin): no complete answer within \(allowed ?? .zero)")
    }
}
