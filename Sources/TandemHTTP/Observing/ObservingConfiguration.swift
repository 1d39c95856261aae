/// What a server tells about its requests beside the access log.
public struct ObservingConfiguration: Sendable {
    /// Whether requests and connections are counted to the `MetricsSystem.factory` that is in force where `run` is called.
    /// Without a factory nothing is counted, whatever this says. False for a server that must not count into the figures of
    /// another, such as an admin listener.
    public var recordsMetrics = true
    /// Whether each request gets a span of the `InstrumentationSystem.tracer` that is in force where `run` is called.
    public var tracesRequests = true
    /// Whether a request's `X-Request-Id` is taken over as its id. False by default: anybody can send that field, and only a
    /// proxy in front that sets it, or drops what clients send, makes it worth believing. One that is not 1 to 128 visible
    /// ASCII characters is never taken over.
    public var trustsRequestID = false
    /// Whether answers carry the request's id as `X-Request-Id`. False by default: it costs bytes in each answer.
    public var returnsRequestID = false

    /// The defaults.
    public init() {}
}
