internal import CoreMetrics
internal import Synchronization

/// The recorded data of one name and one set of labels. Any thread may record, without locks.
protocol MetricSeries: AnyObject, Sendable {
    var labels: MetricLabels { get }
    var value: MetricValue { get }
}

/// A counter, which never decreases. Negative amounts and amounts that are not finite are ignored.
final class CounterSeries: MetricSeries, CounterHandler, FloatingPointCounterHandler {
    let labels: MetricLabels
    private let whole = Atomic<Int64>(0)
    private let rest = AtomicDouble()

    init(labels: MetricLabels) { self.labels = labels }

    var value: MetricValue { .number(Double(whole.load(ordering: .relaxed)) + rest.value) }

    func increment(by amount: Int64) {
        if amount > 0 { whole.wrappingAdd(amount, ordering: .relaxed) }
    }

    func increment(by amount: Double) {
        if amount > 0, amount.isFinite { rest.add(amount) }
    }

    /// Sets the counter to 0, which Prometheus treats as a restart.
    func reset() {
        whole.store(0, ordering: .relaxed)
        rest.set(0)
    }
}

/// A gauge, which holds the last value set.
final class GaugeSeries: MetricSeries, MeterHandler, RecorderHandler {
    let labels: MetricLabels
    private let number = AtomicDouble()

    init(labels: MetricLabels) { self.labels = labels }

    var value: MetricValue { .number(number.value) }

    func set(_ value: Int64) { number.set(Double(value)) }
    func set(_ value: Double) { number.set(value) }
    func increment(by amount: Double) { number.add(amount) }
    func decrement(by amount: Double) { number.add(-amount) }
    func record(_ value: Int64) { number.set(Double(value)) }
    func record(_ value: Double) { number.set(value) }
}

/// A histogram, which counts recorded values by bucket.
final class HistogramSeries: MetricSeries, RecorderHandler, TimerHandler {
    let labels: MetricLabels
    private let bounds: [Double]
    private let sum = AtomicDouble()
    /// The newest exemplar of each bucket; empty without any. Recording does not use them.
    private let exemplars = Mutex<[MetricExemplar?]>([])
    /// The durations of the last minute; nil for a histogram that nobody watches closely.
    let recent: RecentDurations?
    /// The counts, one more than there are bounds. Allocated for the lifetime of the series.
    private nonisolated(unsafe) let counts: UnsafeMutablePointer<Atomic<UInt64>>

    init(labels: MetricLabels, bounds: [Double], recent: RecentDurations? = nil) {
        self.labels = labels
        self.recent = recent
        self.bounds = bounds
        counts = .allocate(capacity: bounds.count + 1)
        for index in 0...bounds.count { (counts + index).initialize(to: Atomic(0)) }
    }

    deinit {
        counts.deinitialize(count: bounds.count + 1)
        counts.deallocate()
    }

    var value: MetricValue {
        .histogram(
            bounds: bounds, counts: (0...bounds.count).map { counts[$0].load(ordering: .relaxed) }, sum: sum.value,
            exemplars: exemplars.withLock { $0 })
    }

    /// Keeps an exemplar of its bucket, in place of an earlier one. It does not count as a recorded value.
    func exemplify(_ exemplar: MetricExemplar) {
        exemplars.withLock { exemplars in
            if exemplars.isEmpty { exemplars = Array(repeating: nil, count: bounds.count + 1) }
            exemplars[bounds.firstIndex { exemplar.value <= $0 } ?? bounds.count] = exemplar
        }
    }

    func record(_ value: Int64) { record(Double(value)) }

    func record(_ value: Double) {
        guard value.isFinite else { return }
        // Most values are small, so a linear search finds their bucket at once.
        var index = 0
        while index < bounds.count, value > bounds[index] { index += 1 }
        counts[index].wrappingAdd(1, ordering: .relaxed)
        sum.add(value)
    }

    func recordNanoseconds(_ duration: Int64) {
        let seconds = Double(duration) * 1e-9
        record(seconds)
        recent?.record(seconds)
    }
}

/// A floating-point number that any thread may change.
struct AtomicDouble: ~Copyable, Sendable {
    private let bits = Atomic<UInt64>(0)

    var value: Double { Double(bitPattern: bits.load(ordering: .relaxed)) }

    func set(_ value: Double) { bits.store(value.bitPattern, ordering: .relaxed) }

    func add(_ amount: Double) {
        var old = bits.load(ordering: .relaxed)
        while true {
            let new = (Double(bitPattern: old) + amount).bitPattern
            let (isDone, found) = bits.weakCompareExchange(expected: old, desired: new, ordering: .relaxed)
            if isDone { return }
            old = found
        }
    }
}
