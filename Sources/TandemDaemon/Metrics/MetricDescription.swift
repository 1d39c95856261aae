/// The name, the unit and the help text of a metric in Prometheus, derived from its label in swift-metrics.
///
/// The name follows OpenTelemetry's rules for Prometheus: each run of characters other than letters, digits and underscores
/// becomes one underscore, and the unit is the last part.
struct MetricDescription: Sendable {
    /// The name of the family, without the suffixes of samples such as `_total`.
    let name: String
    /// The unit, which is the last part of the name; nil if the metric has no unit.
    let unit: String?
    /// The help text: one sentence.
    let help: String
    /// The upper bounds of a histogram's buckets.
    let bounds: [Double]

    init(name: String, unit: String? = nil, help: String, bounds: [Double] = []) {
        self.name = name
        self.unit = unit
        self.help = help
        self.bounds = bounds
    }

    /// Derives the description from a label. swift-metrics has no units: timers are in seconds, and OpenTelemetry's sizes in
    /// bytes.
    init(of label: String, isTimer: Bool = false) {
        let unit = isTimer || label.hasSuffix(".duration") ? "seconds" : label.hasSuffix(".size") ? "bytes" : nil
        var name = ""
        for scalar in label.unicodeScalars {
            if scalar.isLetterOrDigit { name.unicodeScalars.append(scalar) } else if name.last != "_" { name += "_" }
        }
        if name.first?.isNumber ?? true { name = "_" + name }
        if let unit, !name.hasSuffix("_" + unit) { name += "_" + unit }
        // The samples of a counter get the suffix again.
        if name.hasSuffix("_total") { name.removeLast(6) }
        self.init(
            name: name, unit: unit, help: MetricDescription.known[label] ?? label,
            bounds: unit == "seconds" ? Self.seconds : unit == "bytes" ? Self.bytes : Self.others)
    }

    /// Bounds for durations: those that OpenTelemetry recommends for `http.server.request.duration`, and three smaller ones,
    /// because a handler that does not wait takes microseconds.
    static let seconds = [
        0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
    ]
    /// Bounds for sizes: from an empty body to more than the default limit.
    static let bytes: [Double] = [0, 128, 1_024, 8_192, 65_536, 524_288, 4_194_304, 33_554_432, 268_435_456]
    /// Bounds for other values: OpenTelemetry's defaults.
    static let others: [Double] = [0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1_000, 2_500, 5_000, 7_500, 10_000]

    /// The help texts of the metrics that this package records, by label.
    static let known = [
        "http.server.request.duration": "How long requests took, from the end of their head to the end of their answer.",
        "http.server.active_requests": "Requests that are being answered.",
        "http.server.request.body.size": "Bytes of requests' bodies that were read.",
        "http.server.response.body.size": "Bytes of answers' bodies, the framing of chunks included.",
        "tandem.server.connections.active": "Connections that are open.",
        "tandem.server.connections.accepted": "Connections that were accepted.",
        "tandem.server.connections.refused": "Connections that were not served, by reason.",
        "tandem.server.requests.refused": "Requests whose head could not be taken, by the status they were answered.",
        "tandem.server.requests.cut": "Requests whose answer was not sent in full, by reason.",
        "http.client.request.duration": "How long outbound requests took.",
        "http.client.active_requests": "Outbound requests that are under way.",
        "http.client.open_connections": "Connections to upstreams that are open.",
        "tandem.client.queue.duration": "How long outbound requests waited for a turn with their upstream.",
        "tandem.client.requests.rejected": "Outbound requests that got no turn.",
        "tandem.client.requests.retried": "Outbound requests that were sent again after a failure.",
        "tandem.client.connections.idle": "Connections to upstreams that are kept for the next request, without those of HTTP/2.",
    ]
}
