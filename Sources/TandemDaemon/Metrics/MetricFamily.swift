/// The kind of a metric family.
enum MetricKind: String, Sendable { case counter, gauge, histogram }

/// All series of one name, as of one moment.
struct MetricFamily: Sendable {
    let description: MetricDescription
    let kind: MetricKind
    var samples: [MetricSample]
}

/// One series, as of one moment.
struct MetricSample: Sendable {
    let labels: MetricLabels
    let value: MetricValue
}

/// The value of a series.
enum MetricValue: Sendable {
    case number(Double)
    /// The count of each bucket, where the last bucket has no upper bound, and the sum of the recorded values.
    case histogram(bounds: [Double], counts: [UInt64], sum: Double)
}
