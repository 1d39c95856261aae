internal import CTandem

/// The time at which a wait gives up.
///
/// The clock is the kernel's CLOCK_MONOTONIC, clock_gettime(2), which does not advance while the machine is suspended. On the
/// thread of a hub with a virtual clock it is that hub's virtual clock. A deadline knows which of the two it was made from. A
/// deadline of the kernel's clock may be used on a hub with a virtual clock: the time that is left then counts on that clock. A
/// deadline of a virtual clock is valid on that hub only, and using it elsewhere is a programming error, which traps.
///
/// On a hub a wait may give up after its deadline, so that timers share wake-ups: by less than 1/64 of the time from the start of
/// the wait to the deadline, and by less than 2^20 ns (1.05 ms). So if two waits began at different times and their deadlines are
/// closer than that, either may give up first. Under a virtual clock a wait gives up exactly at its deadline.
public struct Deadline: Hashable, Comparable, Sendable {
    private static let virtualBit: UInt64 = 1 << 63

    // Nanoseconds on the clock, with `virtualBit` for a virtual clock; `UInt64.max` means never.
    private let time: UInt64

    /// Creates a deadline on the clock of the calling thread. `UInt64.max`, and all times above 2^63 nanoseconds, mean never.
    package init(nanoseconds: UInt64) {
        if nanoseconds >= Deadline.virtualBit {
            time = .max
        } else {
            time = tandem_clock_is_virtual() ? nanoseconds | Deadline.virtualBit : nanoseconds
        }
    }

    /// No deadline: the wait never gives up.
    public static var never: Deadline { Deadline(time: .max) }

    private init(time: UInt64) { self.time = time }

    /// Returns the deadline that is `duration` from now, rounded up to nanoseconds. With a duration of zero or less it has
    /// already passed. A duration too long for the clock gives `never`.
    public static func after(_ duration: Duration) -> Deadline { after(nanoseconds: duration.nanosecondsClamped) }

    static func after(nanoseconds: UInt64) -> Deadline {
        let (sum, overflow) = tandem_monotonic_nanoseconds().addingReportingOverflow(nanoseconds)
        return Deadline(nanoseconds: overflow ? .max : sum)
    }

    /// The time left until the deadline, never negative; nil for `never`.
    public var remaining: Duration? {
        guard self != .never else { return nil }
        let now = tandem_monotonic_nanoseconds()
        let time = nanoseconds
        return .nanoseconds(time > now ? Int64(clamping: time - now) : 0)
    }

    /// Nanoseconds on the clock of the calling thread; `UInt64.max` for `never`.
    package var nanoseconds: UInt64 {
        if time == .max { return .max }
        if isVirtual == tandem_clock_is_virtual() { return time & ~Deadline.virtualBit }
        precondition(!isVirtual, "a deadline of a virtual clock was used on another clock: make it on the hub where it is used")
        let now = tandem_real_nanoseconds()
        return tandem_monotonic_nanoseconds() + (time > now ? time - now : 0)
    }

    /// This deadline on the clock of the calling thread. Code that looks at a deadline more than once must convert it first: while
    /// virtual time jumps, the time left of a real deadline stays nearly the same.
    package var onThisClock: Deadline {
        if time == .max || isVirtual == tandem_clock_is_virtual() { return self }
        return Deadline(nanoseconds: nanoseconds)
    }

    private var isVirtual: Bool { time >= Deadline.virtualBit && time != .max }

    /// Whether `a` is earlier than `b`. Of deadlines on different clocks, the one with less time left is earlier.
    public static func < (a: Deadline, b: Deadline) -> Bool {
        if a.time == .max || b.time == .max || a.isVirtual == b.isVirtual { return a.time < b.time }
        return a.nanoseconds < b.nanoseconds
    }
}

extension Duration {
    /// Whole nanoseconds, rounded up so that no wait ends early; 0 for a negative duration.
    package var nanosecondsClamped: UInt64 {
        guard attoseconds > 0 else { return 0 }
        let rounded = UInt128(attoseconds) + 999_999_999
        // A billion is 512 times 1,953,125. Below 2.6 hours the quotient fits 64-bit division, which takes a tenth of the time.
        if let shifted = UInt64(exactly: rounded >> 9) { return shifted / 1_953_125 }
        return UInt64(clamping: rounded / 1_000_000_000)
    }
}
