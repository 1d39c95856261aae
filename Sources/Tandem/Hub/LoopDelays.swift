internal import CTandem

/// How long the turns of a hub's loop took, from the return of the poller to the next call of it: for so long, what had
/// become ready or due had to wait. Counted in powers of two.
public struct LoopDelays: Hashable, Sendable {
    /// Element i: turns that took less than 2^i nanoseconds, and not less than half of that. The last one holds all above.
    public let counts: [UInt64]
    /// All turns together.
    public let total: Duration
    /// The longest.
    public let maximum: Duration

    init(_ pulse: tandem_pulse) {
        counts = withUnsafeBytes(of: pulse.delays) { Array($0.assumingMemoryBound(to: UInt64.self)) }
        total = .nanoseconds(Int64(clamping: pulse.delay_total))
        maximum = .nanoseconds(Int64(clamping: pulse.delay_maximum))
    }

    /// How many turns.
    public var count: UInt64 { counts.reduce(0, +) }

    /// A time that at least this part of the turns did not exceed: the upper end of the bucket in which it lies, and never
    /// more than the maximum. Zero when there were none.
    ///
    /// - Parameter part: From 0 to 1.
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
