internal import HTTPTypes
internal import HTTPWire
internal import Tandem
internal import Tracing

/// The spans of requests, by OpenTelemetry's conventions for HTTP servers. A class, so that reading a reference copies nothing
/// else.
final class RequestSpans {
    private let instrument: any Instrument
    private let tracer: any Tracer
    /// The names of spans, by route.
    private let names: [String]

    /// Uses the current instrument and tracer of the caller. Returns nil when nothing traces: a request then costs only the
    /// check of an optional.
    init?(_ routes: [Route]) {
        instrument = InstrumentationSystem.instrument
        if instrument is NoOpInstrument || instrument is NoOpTracer { return nil }
        tracer = InstrumentationSystem.tracer
        names = routes.map(\.description)
    }

    /// Starts the span of a request, a child of the span that the request's fields name.
    func start(_ head: RequestHead, route: Route?, id: RequestID, peer: SocketAddress, isSecure: Bool) -> any Span {
        var context = ServiceContext.current ?? .topLevel
        instrument.extract(head, into: &context, using: HeadExtractor())
        let span = tracer.startSpan(name(head, route), context: context, ofKind: .server)
        guard span.isRecording else { return span }
        let method = KnownMethods.name(of: head.method, route)
        span.updateAttributes { attributes in
            // The name that the field has in logs.
            attributes["request.id"] = id.description
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

    /// Ends the span. `error` is the error that the handler threw, or that cut the answer.
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

/// The reader of a request's fields. The values of several `traceparent` lines are joined, and therefore malformed.
private struct HeadExtractor: Extractor {
    func extract(key: String, from head: RequestHead) -> String? {
        switch key {
        case "traceparent": head[.traceparent]
        case "tracestate": head[.tracestate]
        default: HTTPField.Name(key).flatMap { head[$0] }
        }
    }
}
