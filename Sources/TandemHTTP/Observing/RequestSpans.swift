internal import HTTPTypes
internal import HTTPWire
internal import Tracing

/// Spans of requests, by OpenTelemetry's conventions for HTTP servers. A class, so that a look at it copies nothing.
final class RequestSpans {
    private let instrument: any Instrument
    private let tracer: any Tracer
    /// By route.
    private let names: [String]

    /// nil when nobody traces: then a request costs one look at an optional. Uses what is in force for the caller.
    init?(_ routes: [Route]) {
        instrument = InstrumentationSystem.instrument
        if instrument is NoOpInstrument || instrument is NoOpTracer { return nil }
        tracer = InstrumentationSystem.tracer
        names = routes.map(\.description)
    }

    /// Starts the span of a request, a child of what the request's fields say.
    func start(_ head: RequestHead, route: Route?, peer: SocketAddress, isSecure: Bool) -> any Span {
        var context = ServiceContext.current ?? .topLevel
        instrument.extract(head, into: &context, using: HeadExtractor())
        let span = tracer.startSpan(name(head, route), context: context, ofKind: .server)
        guard span.isRecording else { return span }
        let method = KnownMethods.name(of: head.method, route)
        span.updateAttributes { attributes in
            attributes["http.request.method"] = method
            if method == KnownMethods.other { attributes["http.request.method_original"] = head.method.rawValue }
            attributes["url.scheme"] = isSecure ? "https" : "http"
            attributes["url.path"] = head.path
            attributes["url.query"] = head.query.map(QueryRedaction.redacted)
            attributes["http.route"] = route?.pattern.description
            attributes["network.protocol.version"] = head.version == .http10 ? "1.0" : "1.1"
            attributes["network.peer.address"] = peer.description
            attributes["server.address"] = head.authority
            attributes["user_agent.original"] = head[.userAgent]
        }
        return span
    }

    private func name(_ head: RequestHead, _ route: Route?) -> String {
        if let route, route.method == head.method { return names[route.index] }
        let method = KnownMethods.name(of: head.method, route)
        return route.map { "\(method) \($0.pattern)" } ?? (method == KnownMethods.other ? "HTTP" : method)
    }

    /// Ends it. `error` is what the handler threw, or what cut the answer.
    func end(_ span: any Span, status: Int, error: (any Error)?) {
        if span.isRecording {
            span.attributes["http.response.status_code"] = status
            if status >= 500 || error != nil {
                span.attributes["error.type"] = error.map { "\(type(of: $0))" } ?? "\(status)"
                span.setStatus(SpanStatus(code: .error))
            }
            if let error { span.recordError(error) }
        }
        span.end()
    }
}

/// Reads a request's fields. Several lines of `traceparent` come joined, and so are no well-formed one.
private struct HeadExtractor: Extractor {
    func extract(key: String, from head: RequestHead) -> String? {
        switch key {
        case "traceparent": head[.traceparent]
        case "tracestate": head[.tracestate]
        default: HTTPField.Name(key).flatMap { head[$0] }
        }
    }
}
