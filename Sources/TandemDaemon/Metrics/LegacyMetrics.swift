internal import TandemPatch

/// The counts of `TandemPatch` as metrics: the calls of libc on green stacks, by function. They are counted anyway, so they cost
/// nothing here.
enum LegacyMetrics {
    /// Returns the families for functions that were called; none if `report` is empty.
    static func families(_ report: [TandemPatch.Count]) -> [MetricFamily] {
        guard !report.isEmpty else { return [] }
        func counter(_ name: String, _ help: String, _ path: KeyPath<TandemPatch.Count, UInt64>) -> MetricFamily {
            MetricFamily(
                description: MetricDescription(name: name, help: help), kind: .counter,
                samples: report.map {
                    MetricSample(labels: MetricLabels([("function", $0.function)]), value: .number(Double($0[keyPath: path])))
                })
        }
        return [
            counter("tandem_legacy_calls", "Calls of libc on green stacks, by function.", \.calls),
            counter("tandem_legacy_waits", "Waits on the hub of these calls; one call may wait more than once.", \.waits),
            counter("tandem_legacy_offloads", "Calls of these that an OS thread made.", \.offloads),
            counter("tandem_legacy_holds", "Calls of these that may have held the hub.", \.holds),
        ]
    }
}
