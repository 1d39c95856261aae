import CTandem
import Glibc

/// Nanoseconds of the monotonic clock.
@inlinable
public func nanoseconds() -> Double { Double(tandem_monotonic_nanoseconds()) }

/// Nanoseconds of CPU that this process has used, all threads together: others who want the machine do not count.
public func cpuNanoseconds() -> Double {
    var used = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used)
    return Double(used.tv_sec) * 1e9 + Double(used.tv_nsec)
}
