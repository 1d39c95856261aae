/// The metrics, spans and request ids of a server, besides its access log.
public struct ObservingConfiguration: Sendable {
    /// Whether the server counts requests and connections in the `MetricsSystem.factory` that is current where `run` is called.
    /// Without a factory the server counts nothing. Set this to false for a server that must not add to the figures of another
    /// one, such as an admin listener.
    public var recordsMetrics = true
    /// Whether each request gets a span of the `InstrumentationSystem.tracer` that is current where `run` is called.
    public var tracesRequests = true
    /// Whether the server uses a request's `X-Request-Id` as its id. False by default, because any client can send that field:
    /// trust it only behind a proxy that sets the field, or removes those of clients. The server ignores a value that is not 1
    /// to 128 visible ASCII characters.
    public var trustsRequestID = false
    /// Whether answers carry the request's id as `X-Request-Id`. False by default: it costs bytes in each answer.
    public var returnsRequestID = false

    /// Creates a configuration with the defaults.
    public init() {}
}
