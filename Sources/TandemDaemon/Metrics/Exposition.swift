/// A writer of metrics as text, in Prometheus's format 0.0.4 or OpenMetrics 1.0.
struct Exposition {
    /// The format of the text.
    enum Format {
        case prometheus, openMetrics

        /// Chooses the format for a client's `Accept` field: OpenMetrics only if the field names it.
        init(accepting field: String?) {
            self = field?.contains("application/openmetrics-text") == true ? .openMetrics : .prometheus
        }

        var contentType: String {
            switch self {
            case .prometheus: "text/plain; version=0.0.4; charset=utf-8"
            case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
            }
        }
    }

    private let format: Format
    private var output: [UInt8] = []

    /// Returns all families as text, sorted by name. Families with the same name and kind are merged.
    static func text(_ families: [MetricFamily], _ format: Format) -> [UInt8] {
        var exposition = Exposition(format: format)
        for family in merged(families) { exposition.add(family) }
        if format == .openMetrics { exposition.output += "# EOF\n".utf8 }
        return exposition.output
    }

    private init(format: Format) { self.format = format }

    private static func merged(_ families: [MetricFamily]) -> [MetricFamily] {
        var byName: [String: MetricFamily] = [:]
        for family in families {
            guard let known = byName[family.description.name] else {
                byName[family.description.name] = family
                continue
            }
            guard known.kind == family.kind else { continue }
            let labels = Set(known.samples.map(\.labels))
            byName[family.description.name]?.samples += family.samples.filter { !labels.contains($0.labels) }
        }
        return byName.values.sorted { $0.description.name < $1.description.name }
    }

    private mutating func add(_ family: MetricFamily) {
        let name = family.description.name
        let isCounter = family.kind == .counter
        // In these lines OpenMetrics uses the name of the family, Prometheus the name of its samples.
        let shown = isCounter && format == .prometheus ? name + "_total" : name
        put("# HELP \(shown) \(MetricLabels.escaped(family.description.help))\n")
        put("# TYPE \(shown) \(family.kind.rawValue)\n")
        if format == .openMetrics, let unit = family.description.unit { put("# UNIT \(shown) \(unit)\n") }
        for sample in family.samples.sorted(by: { $0.labels.text < $1.labels.text }) {
            switch sample.value {
            case .number(let value): line(isCounter ? name + "_total" : name, sample.labels.text, number(value))
            case .histogram(let bounds, let counts, let sum, let exemplars):
                add(name, sample.labels.text, bounds, counts, sum, exemplars)
            }
        }
    }

    private mutating func add(
        _ name: String, _ labels: String, _ bounds: [Double], _ counts: [UInt64], _ sum: Double, _ exemplars: [MetricExemplar?]
    ) {
        let rest = labels.isEmpty ? "" : "," + labels
        var count: UInt64 = 0
        for (index, bound) in (bounds + [.infinity]).enumerated() {
            count += counts[index]
            // Prometheus's own format has no exemplars. The clocks of metrics and spans differ by microseconds, so a value at a bound
            // may be counted in the next bucket.
            let exemplar = format == .openMetrics && count > 0 && !exemplars.isEmpty ? exemplars[index] : nil
            line(name + "_bucket", "le=\"\(number(bound))\"" + rest, String(count) + (exemplar.map(text) ?? ""))
        }
        line(name + "_sum", labels, number(sum))
        line(name + "_count", labels, String(count))
    }

    private func text(_ exemplar: MetricExemplar) -> String {
        let labels = #"trace_id="\#(exemplar.traceID)",span_id="\#(exemplar.spanID)""#
        return " # {\(labels)} \(number(exemplar.value)) \(number(exemplar.time))"
    }

    private mutating func line(_ name: String, _ labels: String, _ value: String) {
        put(labels.isEmpty ? "\(name) \(value)\n" : "\(name){\(labels)} \(value)\n")
    }

    private mutating func put(_ text: String) { output += text.utf8 }

    /// Returns the text of a value. Prometheus's format gets whole numbers without a decimal point; OpenMetrics requires `1.0`,
    /// which is Swift's own format.
    private func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        if format == .prometheus, value.magnitude < 1e15, value == value.rounded() { return String(Int64(value)) }
        return "\(value)"
    }
}
