internal import HTTPTypes
internal import Tracing

/// The span of one request on the wire, by OpenTelemetry's conventions for HTTP clients. Each redirect and each retry has its
/// own span. All are children of the caller's span.
struct FetchSpan {
    private let span: any Span
    /// The request fields that tell the server about the span, such as `traceparent`.
    let fields: HTTPFields

    /// Starts a span with the current tracer of the caller. Returns nil if there is no tracer.
    ///
    /// - Parameter resend: The number of times that this request was sent before.
    init?(_ request: borrowing FetchRequest, _ url: TargetURL, resend: Int) {
        let instrument = InstrumentationSystem.instrument
        if instrument is NoOpInstrument || instrument is NoOpTracer { return nil }
        let method = request.method.rawValue
        span = InstrumentationSystem.tracer.startSpan(method, context: ServiceContext.current ?? .topLevel, ofKind: .client)
        var fields: HTTPFields = [:]
        instrument.inject(span.context, into: &fields, using: FieldInjector())
        self.fields = fields
        guard span.isRecording else { return }
        span.updateAttributes { attributes in
            attributes["http.request.method"] = method
            attributes["server.address"] = url.host
            attributes["server.port"] = url.port
            attributes["url.scheme"] = url.isSecure ? "https" : "http"
            attributes["url.full"] = url.redacted
            if resend > 0 { attributes["http.request.resend_count"] = resend }
        }
    }

    /// Ends the span with the status of the response, and with the error if the response is not complete.
    func end(status: Int?, error: (any Error)?) {
        if span.isRecording {
            if let status { span.attributes["http.response.status_code"] = status }
            if let error { span.recordError(error) }
            if error != nil || (status ?? 0) >= 400 {
                span.attributes["error.type"] = error.map { errorType(of: $0) } ?? "\(status ?? 0)"
                span.setStatus(SpanStatus(code: .error))
            }
        }
        span.end()
    }
}

private struct FieldInjector: Injector {
    func inject(_ value: String, forKey key: String, into fields: inout HTTPFields) {
        // A key that is not a valid field name cannot be sent.
        guard let name = HTTPField.Name(key) else { return }
        fields[name] = value
    }
}
