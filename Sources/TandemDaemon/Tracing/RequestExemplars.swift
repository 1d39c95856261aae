internal import TandemHTTP
internal import Tracing

/// The exemplars of the metric of durations, from the spans of requests.
enum RequestExemplars {
    /// The attributes of a span that are labels of the metric.
    private static let labels = [
        "http.request.method", "http.route", "http.response.status_code", "url.scheme", "network.protocol.version",
    ]

    private struct Kind: Hashable {
        let name: String
        let exponent: Int
    }

    /// Calls `body` with the labels and the exemplar of spans of requests. Of spans with one name and about the same duration it
    /// takes the newest only, so that the cost does not grow with the load.
    static func of(_ spans: [SpanRecord], _ body: (_ dimensions: [(String, String)], MetricExemplar) -> Void) {
        var seen: Set<Kind> = []
        for span in spans.reversed() where span.kind == .server && span.ended >= span.began {
            let nanoseconds = span.ended - span.began
            guard seen.insert(Kind(name: span.name, exponent: nanoseconds.leadingZeroBitCount)).inserted else { continue }
            let dimensions = labels.compactMap { name in text(span.attributes.get(name)).map { (name, $0) } }
            let exemplar = MetricExemplar(
                value: Double(nanoseconds) * 1e-9, traceID: span.trace.traceID, spanID: span.trace.spanID,
                time: Double(span.ended) * 1e-9)
            body(dimensions, exemplar)
        }
    }

    private static func text(_ value: SpanAttribute?) -> String? {
        switch value {
        case .string(let text): text
        case .int32(let number): String(number)
        case .int64(let number): String(number)
        default: nil
        }
    }
}
