internal import Tandem

/// The phase of a transfer, and its time limits.
///
/// A transfer has one timer. Arriving bytes do not touch it. When it fires, it checks how long the current phase has lasted,
/// and is armed again if the limit has not been reached. All times are in nanoseconds of the hub's clock.
///
/// | phase | from | limit | error |
/// | --- | --- | --- | --- |
/// | connecting | begin | `connectTimeout`, libcurl's | connectTimedOut |
/// | handshake | TCP connected | `tlsTimeout` | tlsTimedOut |
/// | sending | connected; each byte sent | `idleTimeout` | idleTimedOut |
/// | awaitingHead | request sent | `responseTimeout` | responseTimedOut |
/// | receiving | head; each byte received | `idleTimeout` | idleTimedOut |
/// | any | the call | `timeout` or `deadline` | timedOut |
struct TransferPhases {
    enum Phase { case connecting, handshake, sending, awaitingHead, receiving }

    private let settings: FetchSettings
    let deadline: FetchDeadline
    private(set) var phase = Phase.connecting
    // The time at which the phase began, or the last byte was sent or received.
    private var since: UInt64 = 0
    /// Whether the transfer waits for its own reader or producer. The idle clock stops while it does.
    var isHeldBack = false
    private var timer: TransferTimer?
    private unowned(unsafe) var pool: UpstreamPool?

    init(_ settings: FetchSettings, _ deadline: FetchDeadline) {
        self.settings = settings
        self.deadline = deadline
    }

    mutating func start(_ transfer: Transfer, on pool: UpstreamPool) {
        guard timer == nil else { return }
        self.pool = pool
        since = pool.hub.turnTime
        let timer = pool.takeTimer(for: transfer)
        timer.arm(min(deadline.nanoseconds, since.advanced(by: settings.shortestLimit)))
        self.timer = timer
    }

    mutating func stop() {
        guard let timer, let pool else { return }
        self.timer = nil
        pool.giveBack(timer)
    }

    mutating func enter(_ next: Phase) {
        phase = next
        madeProgress()
    }

    mutating func madeProgress() {
        if let pool { since = pool.hub.turnTime }
    }

    /// Returns the error if the current phase or the whole exchange has taken too long. Otherwise arms the timer for the time
    /// at which it would have, and returns nil.
    mutating func overdue(_ transfer: Transfer) -> FetchError? {
        guard let pool, let timer else { return nil }
        let now = pool.hub.clockTime
        guard now < deadline.nanoseconds else { return deadline.exceeded(transfer.origin.text) }
        if isHeldBack { since = now }
        let limit = limit
        let end = since.advanced(by: limit)
        guard now >= end else {
            // The next phase may have a shorter limit than the current one.
            let next = limit == .max ? now.advanced(by: settings.shortestLimit) : end
            timer.arm(min(deadline.nanoseconds, next))
            return nil
        }
        return error(transfer.origin.text)
    }

    private var limit: UInt64 {
        switch phase {
        case .connecting: .max
        case .handshake: settings.tlsLimit
        case .awaitingHead: settings.responseLimit
        case .sending, .receiving: settings.idleLimit
        }
    }

    private func error(_ origin: String) -> FetchError {
        let configuration = settings.configuration
        func text(_ limit: Duration?) -> String { limit.map { "\($0)" } ?? "" }
        return switch phase {
        case .connecting: deadline.exceeded(origin)
        case .handshake:
            FetchError(
                .tlsTimedOut, "\(origin): connected, but TLS was not established within \(text(configuration.tlsTimeout))")
        case .sending:
            FetchError(.idleTimedOut, "\(origin): no byte of the request could be sent for \(text(configuration.idleTimeout))")
        case .awaitingHead:
            FetchError(
                .responseTimedOut,
                "\(origin): the request was sent, but no answer began within \(text(configuration.responseTimeout))")
        case .receiving:
            FetchError(.idleTimedOut, "\(origin): no byte of the answer came for \(text(configuration.idleTimeout))")
        }
    }
}

/// A timer that a hub uses for one transfer after the other.
final class TransferTimer {
    private var timer: HubTimer!
    // Set while a transfer uses the timer. The transfer gives the timer back before it is freed.
    fileprivate unowned(unsafe) var transfer: Transfer?

    init(on hub: Hub) {
        timer = HubTimer(on: hub) { [unowned(unsafe) self] in transfer?.checkTime() }
    }

    func assign(_ transfer: Transfer) { self.transfer = transfer }

    func arm(_ nanoseconds: UInt64) { timer.arm(Deadline(nanoseconds: nanoseconds)) }

    func release() {
        transfer = nil
        timer.disarm()
    }
}

extension UInt64 {
    /// Returns this time plus `nanoseconds`, or `max` on overflow.
    func advanced(by nanoseconds: UInt64) -> UInt64 {
        let (sum, overflows) = addingReportingOverflow(nanoseconds)
        return overflows ? .max : sum
    }
}
