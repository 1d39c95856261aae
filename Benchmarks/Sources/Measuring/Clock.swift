import CTandem

/// Nanoseconds of the monotonic clock.
@inlinable
public func nanoseconds() -> Double { Double(tandem_monotonic_nanoseconds()) }
