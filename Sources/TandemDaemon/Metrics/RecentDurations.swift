internal import Histogram
internal import Synchronization
internal import Tandem

/// The distribution of a timer's values of the last minute, precise to 1 %, recorded only while a viewer is connected. It takes up to 83
/// KiB. Any thread.
///
/// The buckets of `/metrics` are too coarse to show a p99.
final class RecentDurations: Sendable {
    typealias Distribution = Histogram<UInt32>

    /// The length of the window. Values are dropped in slices of 10 seconds, so it covers 50 to 60 seconds.
    static let window: Duration = .seconds(60)
    private static let sliceCount = 6
    /// An hour, in microseconds: longer values count as this.
    private static let longest: UInt64 = 3_600_000_000

    private struct Window {
        /// The distributions of consecutive slices of time; nil without values.
        var slices = [Distribution?](repeating: nil, count: sliceCount)
        /// The number of the newest slice since the start of the process; it is in the place with this number modulo their count.
        var newest = 0

        mutating func record(_ microseconds: UInt64) {
            let place = newest % sliceCount
            if slices[place] == nil { slices[place] = RecentDurations.empty() }
            slices[place]!.record(microseconds)
        }

        /// Drops the slices that are older than the window.
        mutating func advance(to slice: Int) {
            for number in max(newest + 1, slice - sliceCount + 1)..<max(newest + 1, slice + 1) {
                slices[number % sliceCount] = nil
            }
            newest = max(newest, slice)
        }
    }

    private let window = Mutex(Window())
    private let watch: Watch

    /// - Parameter watch: The lease of the viewers.
    init(_ watch: Watch) { self.watch = watch }

    /// Returns a distribution of durations in microseconds without values.
    static func empty() -> Distribution {
        Distribution(highestTrackableValue: longest, numberOfSignificantValueDigits: .two)
    }

    /// Records a duration in seconds while a viewer is connected. It never waits: while another thread uses the window, the value is dropped.
    func record(_ seconds: Double) {
        guard watch.isOn else { return }
        let microseconds = UInt64(min(max(0, seconds * 1e6), Double(Self.longest)))
        window.withLockIfAvailable { $0.record(microseconds) }
    }

    /// Adds the values of the last minute to `sum`. `now` is the time since some fixed moment. Readers call this at least every 10 seconds,
    /// so that old values are dropped.
    func add(to sum: inout Distribution, now: Duration) {
        window.withLock { window in
            window.advance(to: Int(now / Self.window * Double(Self.sliceCount)))
            for slice in window.slices { if let slice { sum.add(slice) } }
        }
    }

    /// Drops all values and frees their memory.
    func clear() { window.withLock { $0.slices = Array(repeating: nil, count: Self.sliceCount) } }
}
