internal import HTTPTypes
internal import Tracing

/// The span of one request on the wire, by OpenTelemetry's conventions for HTTP clients: each redirect and each retry has one
/// of its own, all children of the caller's.
struct FetchSpan {
    private let span: any Span
    /// The fields by which the server learns of it (`traceparent`).
    private(set) var fields: HTTPFields = [:]

    /// Starts the span, of what is in force for the caller. nil when nobody traces: then a request costs one look.
    ///
    /// - Parameter resend: How often the exchange was sent before.
    init?(_ request: FetchRequest, _ url: TargetURL, resend: Int) {
        let instrument = InstrumentationSystem.instrument
        if instrument is NoOpInstrument || instrument is NoOpTracer { return nil }
        let method = request.method.rawValue
        span = InstrumentationSystem.tracer.startSpan(method, context: ServiceContext.current ?? .topLevel, ofKind: .client)
        instrument.inject(span.context, into: &fields, using: FieldInjector())
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

    /// Ends it with the status of the answer, or with the error that came in place of its end.
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
        // What is no field cannot be told to the server.
        guard let name = HTTPField.Name(key) else { return }
        fields[name] = value
    }
}
