/// What kind of metric a family is.
enum MetricKind: String, Sendable { case counter, gauge, histogram }

/// All series of one name at one moment.
struct MetricFamily: Sendable {
    let description: MetricDescription
    let kind: MetricKind
    var samples: [MetricSample]
}

/// One series at one moment.
struct MetricSample: Sendable {
    let labels: MetricLabels
    let value: MetricValue
}

/// What a series holds.
enum MetricValue: Sendable {
    case number(Double)
    /// Counts by bucket, the last without an upper bound; and the sum of what was recorded.
    case histogram(bounds: [Double], counts: [UInt64], sum: Double)
}
