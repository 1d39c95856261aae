internal import CoreMetrics
internal import Synchronization

/// What is recorded for one name and one set of labels. Any thread, without locks.
protocol MetricSeries: AnyObject, Sendable {
    var labels: MetricLabels { get }
    var value: MetricValue { get }
}

/// Only ever grows; what would make it smaller, and what is no number, is ignored.
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

    /// Prometheus takes it for a restart.
    func reset() {
        whole.store(0, ordering: .relaxed)
        rest.set(0)
    }
}

/// The last value that was set.
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

/// Counts what is recorded by its size.
final class HistogramSeries: MetricSeries, RecorderHandler, TimerHandler {
    let labels: MetricLabels
    private let bounds: [Double]
    private let sum = AtomicDouble()
    /// One more than there are bounds; lives as long as the series.
    private nonisolated(unsafe) let counts: UnsafeMutablePointer<Atomic<UInt64>>

    init(labels: MetricLabels, bounds: [Double]) {
        self.labels = labels
        self.bounds = bounds
        counts = .allocate(capacity: bounds.count + 1)
        for index in 0...bounds.count { (counts + index).initialize(to: Atomic(0)) }
    }

    deinit {
        counts.deinitialize(count: bounds.count + 1)
        counts.deallocate()
    }

    var value: MetricValue {
        .histogram(bounds: bounds, counts: (0...bounds.count).map { counts[$0].load(ordering: .relaxed) }, sum: sum.value)
    }

    func record(_ value: Int64) { record(Double(value)) }

    func record(_ value: Double) {
        guard value.isFinite else { return }
        // Most are small, and found at once.
        var index = 0
        while index < bounds.count, value > bounds[index] { index += 1 }
        counts[index].wrappingAdd(1, ordering: .relaxed)
        sum.add(value)
    }

    func recordNanoseconds(_ duration: Int64) { record(Double(duration) * 1e-9) }
}

/// A number that any thread may change.
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
