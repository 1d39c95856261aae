internal import HTTPTypes
internal import Tandem

/// What is observed of one request on the wire: metrics, and a span. Costs nothing when nobody does.
struct FetchObservation {
    private let method: HTTPRequest.Method
    private let began: UInt64
    private let span: FetchSpan?

    /// Begins to observe a request that is about to be sent.
    init(_ request: FetchRequest, _ url: TargetURL, _ origin: UpstreamOrigin, resend: Int) {
        method = request.method
        span = FetchSpan(request, url, resend: resend)
        began = origin.series == nil ? 0 : origin.hub.clockTime
        origin.series?.requestBegan(method)
    }

    /// The fields by which the upstream learns of the span.
    var fields: HTTPFields { span?.fields ?? [:] }

    /// The request has ended, with this status or failure.
    ///
    /// - Parameter isRecorded: Whether it counts: not on a kept connection that turned out to have ended.
    func end(_ origin: UpstreamOrigin, _ status: Int?, _ failure: (any Error)?, isRecorded: Bool) {
        if let series = origin.series {
            series.requestEnded(method)
            if isRecorded {
                series.record(method, status: status, error: failure, nanoseconds: origin.hub.clockTime - began)
            }
        }
        span?.end(status: status, error: failure)
    }
}
