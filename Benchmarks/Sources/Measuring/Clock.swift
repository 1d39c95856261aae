import CTandem
import Glibc

/// Returns the nanoseconds of the monotonic clock.
@inlinable
public func nanoseconds() -> Double { Double(tandem_monotonic_nanoseconds()) }

/// Returns the CPU nanoseconds of all threads of this process. Other load on the machine does not count.
public func cpuNanoseconds() -> Double {
    var used = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used)
    return Double(used.tv_sec) * 1e9 + Double(used.tv_nsec)
}
