internal import CTandem

/// A point on the monotonic clock after which a wait gives up.
///
/// On a hub a wait may give up a little later, so that timers share wake-ups: by at most 1/64 of the time that the wait may take,
/// and at most 2^20 ns (1.05 ms). So of two waits whose deadlines are closer than that, and which began at different times, either
/// may give up first. Under a virtual clock a wait gives up exactly at its deadline.
public struct Deadline: Hashable, Comparable, Sendable {
    /// Nanoseconds on CLOCK_MONOTONIC; `UInt64.max` means never.
    package let nanoseconds: UInt64

    package init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    /// Waits as long as it takes.
    public static let never = Deadline(nanoseconds: .max)

    /// This much from now. Zero or less has already passed.
    public static func after(_ duration: Duration) -> Deadline {
        let now = tandem_monotonic_nanoseconds()
        let (sum, overflow) = now.addingReportingOverflow(duration.nanosecondsClamped)
        return Deadline(nanoseconds: overflow ? .max : sum)
    }

    /// Time left, never negative. `nil` for `never`.
    public var remaining: Duration? {
        guard self != .never else { return nil }
        let now = tandem_monotonic_nanoseconds()
        return .nanoseconds(nanoseconds > now ? Int64(clamping: nanoseconds - now) : 0)
    }

    /// Whether `a` comes first.
    public static func < (a: Deadline, b: Deadline) -> Bool { a.nanoseconds < b.nanoseconds }
}

extension Duration {
    /// Whole nanoseconds, rounded up so that nobody wakes early; 0 for a negative duration.
    package var nanosecondsClamped: UInt64 {
        guard attoseconds > 0 else { return 0 }
        let rounded = UInt128(attoseconds) + 999_999_999
        // A billion is 512 times 1,953,125: below 2.6 hours 64 bits will do, whose division is a tenth of the work.
        if let shifted = UInt64(exactly: rounded >> 9) { return shifted / 1_953_125 }
        return UInt64(clamping: rounded / 1_000_000_000)
    }
}
