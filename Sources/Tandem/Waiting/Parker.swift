internal import CTandem

/// A place where one caller parks until other code on the same hub unparks it.
///
/// The smallest wait that both styles share, for building other primitives. If no caller is parked, `unpark` stores one permit,
/// and the next `park` returns at once. A parker belongs to one hub; all calls must be made on that hub's thread.
public final class Parker {
    private var permit = false
    private var parked: Wait?

    private let purpose: StaticString

    /// Creates a parker without a parked caller and without a permit.
    ///
    /// - Parameter purpose: What callers wait for here, as shown by `Hub.dump` and in reports.
    public init(for purpose: StaticString = "Parker.park") { self.purpose = purpose }

    /// Whether a caller is parked here.
    public var isOccupied: Bool { parked != nil }

    /// Wakes the parked caller. If there is none, stores a permit for the next one.
    public func unpark() {
        // A caller that was already woken, for example by a cancellation, does not use the permit; the next caller does.
        if let parked, parked.pointee.woken_by == 0, let hub = Hub.current {
            hub.waits.wake(parked, TANDEM_WAKE_READY)
        } else {
            permit = true
        }
    }

    /// Suspends until `unpark`.
    ///
    /// - Throws: `CancellationError`, or `TandemError` `timedOut`, or `hubStopped` if the caller is on no hub.
    /// - Precondition: No other caller is parked here.
    public func park(deadline: Deadline = .never) async throws {
        guard let (hub, wait) = try begin(deadline) else { return }
        await Tandem.park(wait)
        try end(hub, wait)
    }

    /// Parks the green thread until `unpark`. Otherwise the same as the async form.
    ///
    /// - Throws: `CancellationError`, or `TandemError` `timedOut`, `notOnGreenThread` or `wrongTask`.
    /// - Precondition: No other caller is parked here.
    @available(*, noasync)
    #if TANDEM_MIGRATION
    @available(*, deprecated, message: "blocking call: make the caller async, and await this [migration: blocking call]")
    #endif
    public func park(deadline: Deadline = .never, file: StaticString = #fileID, line: UInt = #line) throws {
        let fiber = try currentFiber("Parker.park", file, line)
        guard let (hub, wait) = try begin(deadline) else { return }
        parkGreenThread(fiber, wait)
        try end(hub, wait)
    }

    /// Begins to wait, or takes the permit and returns nil.
    private func begin(_ deadline: Deadline) throws(TandemError) -> (Hub, Wait)? {
        guard let hub = Hub.current else { throw TandemError(.hubStopped, "a Parker must be used on a hub's thread") }
        precondition(parked == nil, "a Parker has room for one caller")
        if permit {
            permit = false
            return nil
        }
        let wait = hub.waits.begin(deadline: deadline, for: purpose)
        parked = wait
        return (hub, wait)
    }

    private func end(_ hub: Hub, _ wait: Wait) throws {
        parked = nil
        try hub.waits.finish(wait).check()
    }
}
