internal import CTandem

/// The clock of a hub, in nanoseconds: the real clock, or a virtual one that stands still until the loop moves it to the next
/// deadline. Must be used on the hub's thread. A value of this type refers to memory that the hub owns.
struct LoopClock {
    /// The time of the virtual clock, which `tandem_monotonic_nanoseconds` reads on the hub's thread; nil for the real clock.
    let virtualTime: UnsafeMutablePointer<UInt64>?
    private let pulse: UnsafeMutablePointer<tandem_pulse>

    /// Creates a clock. A virtual one starts at 1.
    ///
    /// - Parameter pulse: Records when the turn began on the real clock.
    init(_ kind: HubClock, _ pulse: UnsafeMutablePointer<tandem_pulse>) {
        self.pulse = pulse
        virtualTime = kind == .virtual ? .allocate(capacity: 1) : nil
        virtualTime?.initialize(to: 1)
    }

    func deallocate() { virtualTime?.deallocate() }

    var isVirtual: Bool { virtualTime != nil }

    /// The present time.
    var now: UInt64 { tandem_monotonic_nanoseconds() }

    /// The time when this turn began.
    var turnTime: UInt64 { virtualTime?.pointee ?? pulse.pointee.turn_began }

    /// The time when this turn began on the real clock, also if this clock is virtual.
    var realTurnTime: UInt64 { pulse.pointee.turn_began }

    /// Sets a virtual clock, unless it is later already. Returns its time.
    func jump(to time: UInt64) -> UInt64 {
        virtualTime!.pointee = max(virtualTime!.pointee, time)
        return virtualTime!.pointee
    }
}
