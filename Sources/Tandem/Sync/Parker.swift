internal import CTandem

/// Where one caller parks until another part of the same hub unparks it.
///
/// The smallest wait that both styles share, for building others: an `unpark` with nobody parked is kept, and lets the
/// next `park` through at once. Belongs to one hub; every call is made on that hub's thread.
public final class Parker {
    private var permit = false
    private var parked: Wait?

    private let purpose: StaticString

    /// A parker with nobody parked and no permit.
    ///
    /// - Parameter purpose: What is waited for here, as `Hub.dump` and reports say it.
    public init(for purpose: StaticString = "Parker.park") { self.purpose = purpose }

    /// Whether a caller is parked here.
    public var isOccupied: Bool { parked != nil }

    /// Lets the parked caller go on, or the next one that comes.
    public func unpark() {
        // One who was woken already, by a cancellation say, has no use for this: the next one has.
        if let parked, parked.pointee.woken_by == 0, let hub = Hub.current {
            hub.wake(parked, TANDEM_WAKE_READY)
        } else {
            permit = true
        }
    }

    /// Suspends until `unpark`. Throws `CancellationError`, or `TandemError` `timedOut`, or `hubStopped` off a hub.
    public func park(deadline: Deadline = .never) async throws {
        guard let (hub, wait) = try begin(deadline) else { return }
        await Tandem.park(wait)
        try end(hub, wait)
    }

    /// Parks the green thread until `unpark`. Throws `CancellationError`, or `TandemError` `timedOut` or
    /// `notOnGreenThread`.
    @available(*, noasync)
    public func park(deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line) throws {
        let fiber = try currentFiber("Parker.park", file, line)
        guard let (hub, wait) = try begin(deadline) else { return }
        parkGreenThread(fiber, wait)
        try end(hub, wait)
    }

    /// nil when there was a permit.
    private func begin(_ deadline: Deadline) throws(TandemError) -> (Hub, Wait)? {
        guard let hub = Hub.current else { throw TandemError(.hubStopped, "a Parker is used on a hub's thread; this is none") }
        precondition(parked == nil, "a Parker has room for one caller")
        if permit {
            permit = false
            return nil
        }
        let wait = hub.beginWait(deadline: deadline, for: purpose)
        parked = wait
        return (hub, wait)
    }

    private func end(_ hub: Hub, _ wait: Wait) throws {
        parked = nil
        try hub.finishWait(wait).check()
    }
}
