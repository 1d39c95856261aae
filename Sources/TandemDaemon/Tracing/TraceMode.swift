/// Which requests are traced.
public enum TraceMode: String, Sendable, CaseIterable {
    /// None.
    case off
    /// Those whose caller sends a well-formed `traceparent`.
    case join
    /// All: one without begins a trace, which is sampled when spans are logged.
    case start
}
