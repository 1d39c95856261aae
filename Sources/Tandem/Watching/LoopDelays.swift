internal import CTandem

/// The durations of the turns of a hub's loop, without the time that the hub slept in the poller. An event that became ready or
/// due during a turn had to wait for the end of the turn. Counted in powers of two.
public struct LoopDelays: Hashable, Sendable {
    /// Element i counts the turns that took less than 2^i nanoseconds and at least half of that. The last element also counts all
    /// longer turns.
    public let counts: [UInt64]
    /// The duration of all turns together.
    public let total: Duration
    /// The duration of the longest turn.
    public let maximum: Duration

    init(_ pulse: tandem_pulse) {
        counts = withUnsafeBytes(of: pulse.delays) { Array($0.assumingMemoryBound(to: UInt64.self)) }
        total = .nanoseconds(Int64(clamping: pulse.delay_total))
        maximum = .nanoseconds(Int64(clamping: pulse.delay_maximum))
    }

    /// The number of turns.
    public var count: UInt64 { counts.reduce(0, +) }

    /// Returns a time that at least the fraction `part` of the turns did not exceed: the upper end of the bucket of that
    /// quantile, but at most `maximum`. Zero if there were no turns.
    ///
    /// - Parameter part: The quantile, from 0 to 1.
    public func quantile(_ part: Double) -> Duration {
        let wanted = part * Double(count)
        var seen: UInt64 = 0
        for (index, number) in counts.enumerated() {
            seen += number
            if number > 0, Double(seen) >= wanted { return min(.nanoseconds(Int64(1) << index), maximum) }
        }
        return maximum
    }
}
