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

/// A recorded value of a histogram, with the ids of the span that took that long.
struct MetricExemplar: Sendable {
    let value: Double
    let traceID: String
    let spanID: String
    /// The time of the value, in seconds since 1970.
    let time: Double
}

/// The value of a series.
enum MetricValue: Sendable {
    case number(Double)
    /// The count of each bucket, where the last bucket has no upper bound, and the sum of the recorded values.
    /// `exemplars` is empty, or has an element per bucket.
    case histogram(bounds: [Double], counts: [UInt64], sum: Double, exemplars: [MetricExemplar?] = [])
}
