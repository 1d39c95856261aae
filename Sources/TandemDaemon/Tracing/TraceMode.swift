/// Which requests are traced.
enum TraceMode: String, Sendable, CaseIterable {
    /// No requests.
    case off
    /// Requests whose client sends a well-formed `traceparent`.
    case join
    /// All requests. A request without `traceparent` starts a trace, which is sampled if spans are logged or exported.
    case start
}
