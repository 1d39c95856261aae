internal import HTTPTypes
internal import Synchronization
internal import Tandem

/// The metrics and the span of one request on the wire. Without a metrics factory and a tracer it costs nothing.
struct FetchObservation {
    private let method: HTTPRequest.Method
    private let began: UInt64
    private let span: FetchSpan?
    /// The number of the fetch for the flight recorder, which has recorded its beginning; else 0.
    private let recordedNumber: UInt64

    /// Begins the observation of a request that is about to be sent.
    init(_ request: borrowing FetchRequest, _ url: TargetURL, _ origin: UpstreamOrigin, resend: Int) {
        method = request.method
        span = origin.pool.isObserved ? FetchSpan(request, url, resend: resend) : nil
        began = origin.series == nil ? 0 : origin.hub.clockTime
        origin.series?.requestBegan(method)
        recordedNumber = FlightRecorder.isRecording ? Self.recordBeginning(origin) : 0
    }

    private static let lastNumber = Atomic<UInt64>(0)

    /// Records the beginning of a request with the hub's flight recorder. Returns its number, of 48 bits.
    @inline(never)
    private static func recordBeginning(_ origin: UpstreamOrigin) -> UInt64 {
        let number = lastNumber.add(1, ordering: .relaxed).newValue & 0xffff_ffff_ffff
        FlightRecorder.mark(.fetch, named: .interned("\(origin.origin)"), number)
        return number
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
        if recordedNumber != 0 { FlightRecorder.mark(.fetched, recordedNumber | UInt64(status ?? 0) << 48) }
        span?.end(status: status, error: failure)
    }
}
