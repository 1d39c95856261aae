internal import HTTPTypes
internal import Tandem

/// The metrics and the span of one request on the wire. Without a metrics factory and a tracer it costs nothing.
struct FetchObservation {
    private let method: HTTPRequest.Method
    private let began: UInt64
    private let span: FetchSpan?

    /// Begins the observation of a request that is about to be sent.
    init(_ request: borrowing FetchRequest, _ url: TargetURL, _ origin: UpstreamOrigin, resend: Int) {
        method = request.method
        span = FetchSpan(request, url, resend: resend)
        began = origin.series == nil ? 0 : origin.hub.clockTime
        origin.series?.requestBegan(method)
        if FlightRecorder.isRecording { FlightRecorder.mark(.fetch, named: .interned("\(origin.origin)")) }
    }

    /// Adds the fields that tell the upstream about the span.
    func addFields(to request: inout FetchRequest) {
        guard let span else { return }
        for field in span.fields { request.headers[field.name] = field.value }
    }

    /// Ends the observation of a request, with this status or failure.
    ///
    /// - Parameter isRecorded: Whether to record the duration. False if the request met a dead connection and is sent again.
    func end(_ origin: UpstreamOrigin, _ status: Int?, _ failure: (any Error)?, isRecorded: Bool) {
        if let series = origin.series {
            series.requestEnded(method)
            if isRecorded {
                series.record(method, status: status, error: failure, nanoseconds: origin.hub.clockTime - began)
            }
        }
        if FlightRecorder.isRecording {
            FlightRecorder.mark(.fetched, named: .interned("\(origin.origin)"), UInt64(status ?? 0))
        }
        span?.end(status: status, error: failure)
    }
}
