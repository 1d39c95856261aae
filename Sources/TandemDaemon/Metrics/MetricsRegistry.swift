internal import CoreMetrics
internal import Synchronization

/// The metrics of the process: a `MetricsFactory` whose series can be exposed to Prometheus.
///
/// Creating a series takes a lock; recording does not. The same label and dimensions always give the same series. Labels that map
/// to the same Prometheus name form one family, which has one kind: a series of another kind is recorded but never exposed.
final class MetricsRegistry: MetricsFactory {
    private struct Entry {
        let series: any MetricSeries
        /// The number of handlers for the series that are not destroyed yet.
        var uses: Int
    }

    private struct Family {
        let description: MetricDescription
        let kind: MetricKind
        var entries: [String: Entry] = [:]
    }

    private let families = Mutex<[String: Family]>([:])
    /// The lease of the viewers of the durations of requests.
    let watch = Watch()

    // MARK: Making

    func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        series(label, dimensions, .counter) { CounterSeries(labels: $0) }
    }

    func makeFloatingPointCounter(label: String, dimensions: [(String, String)]) -> any FloatingPointCounterHandler {
        series(label, dimensions, .counter) { CounterSeries(labels: $0) }
    }

    func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        series(label, dimensions, .gauge) { GaugeSeries(labels: $0) }
    }

    func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        guard aggregate else { return series(label, dimensions, .gauge) { GaugeSeries(labels: $0) } }
        return histogram(label, dimensions, isTimer: false)
    }

    func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        histogram(label, dimensions, isTimer: true)
    }

    private func histogram(_ label: String, _ dimensions: [(String, String)], isTimer: Bool) -> HistogramSeries {
        let bounds = MetricDescription(of: label, isTimer: isTimer).bounds
        let isWatched = label == Self.requestDuration
        return series(label, dimensions, .histogram, isTimer: isTimer) {
            HistogramSeries(labels: $0, bounds: bounds, recent: isWatched ? RecentDurations(watch) : nil)
        }
    }

    private func series<Series: MetricSeries>(
        _ label: String, _ dimensions: [(String, String)], _ kind: MetricKind, isTimer: Bool = false,
        make: (MetricLabels) -> Series
    ) -> Series {
        let description = MetricDescription(of: label, isTimer: isTimer)
        let labels = MetricLabels(dimensions)
        return families.withLock { families in
            var family = families[description.name] ?? Family(description: description, kind: kind)
            if var entry = family.entries[labels.text], let known = entry.series as? Series {
                entry.uses += 1
                families[description.name]?.entries[labels.text] = entry
                return known
            }
            let made = make(labels)
            guard family.kind == kind, family.entries[labels.text] == nil else { return made }
            family.entries[labels.text] = Entry(series: made, uses: 1)
            families[description.name] = family
            return made
        }
    }

    // MARK: Destroying

    func destroyCounter(_ handler: any CounterHandler) { destroy(handler) }
    func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) { destroy(handler) }
    func destroyMeter(_ handler: any MeterHandler) { destroy(handler) }
    func destroyRecorder(_ handler: any RecorderHandler) { destroy(handler) }
    func destroyTimer(_ handler: any TimerHandler) { destroy(handler) }

    /// Removes a series when its last handler is destroyed.
    private func destroy(_ handler: AnyObject) {
        families.withLock { families in
            for (name, family) in families {
                guard let found = family.entries.first(where: { $0.value.series === handler }) else { continue }
                var entry = found.value
                entry.uses -= 1
                families[name]?.entries[found.key] = entry.uses > 0 ? entry : nil
                if families[name]?.entries.isEmpty == true { families[name] = nil }
                return
            }
        }
    }

    // MARK: Exemplars

    /// Keeps an exemplar of a timer. Does nothing if there is no such series.
    func exemplify(timer label: String, dimensions: [(String, String)], _ exemplar: MetricExemplar) {
        let (name, labels) = (MetricDescription(of: label, isTimer: true).name, MetricLabels(dimensions).text)
        let series = families.withLock { $0[name]?.entries[labels]?.series as? HistogramSeries }
        series?.exemplify(exemplar)
    }

    // MARK: Reading

    /// The label of the timer whose recent durations can be watched.
    static let requestDuration = "http.server.request.duration"

    /// Returns the series of a timer.
    func timers(_ label: String) -> [HistogramSeries] {
        let name = MetricDescription(of: label, isTimer: true).name
        return families.withLock { $0[name]?.entries.values.compactMap { $0.series as? HistogramSeries } ?? [] }
    }

    /// Returns the labels and values of all series of a counter or a gauge.
    func values(_ label: String) -> [(labels: MetricLabels, value: Double)] {
        let name = MetricDescription(of: label).name
        let series = families.withLock { $0[name]?.entries.values.map(\.series) ?? [] }
        return series.compactMap { if case .number(let value) = $0.value { ($0.labels, value) } else { nil } }
    }

    /// Returns the sum of all series of a counter or a gauge.
    func sum(_ label: String) -> Double { values(label).reduce(0) { $0 + $1.value } }

    /// Returns the current values of all families. A value recorded during the call may or may not be included.
    func snapshot() -> [MetricFamily] {
        families.withLock { families in
            families.values.map { family in
                MetricFamily(
                    description: family.description, kind: family.kind,
                    samples: family.entries.values.map { MetricSample(labels: $0.series.labels, value: $0.series.value) })
            }
        }
    }
}
