internal import CoreMetrics
internal import HTTPTypes
internal import Tandem

/// The metrics of the fetches on one hub, with OpenTelemetry's names where they exist. Used only on its hub.
///
/// The client asks the factory for each series once, and then finds it by the origin, the method and the outcome. URLs may come
/// from strangers, so the number of origins is limited: after the first 100, `server.address` is `other`.
final class FetchMetrics {
    private static let mostOrigins = 100

    private let factory: any MetricsFactory
    private var known: [Origin: Series] = [:]
    // The series of all further origins.
    private var others: [Origin.Scheme: Series] = [:]
    private let connections: any MeterHandler
    private let idleConnections: any MeterHandler
    private let queued: any TimerHandler
    private let rejected: any CounterHandler
    private let retries: any CounterHandler

    /// Uses the factory that is current at the first fetch of the hub. Returns nil if that factory counts nothing.
    init?() {
        factory = MetricsSystem.factory
        if factory is NOOPMetricsHandler { return nil }
        connections = factory.makeMeter(label: "http.client.open_connections", dimensions: [])
        idleConnections = factory.makeMeter(label: "tandem.client.connections.idle", dimensions: [])
        queued = factory.makeTimer(label: "tandem.client.queue.duration", dimensions: [])
        rejected = factory.makeCounter(label: "tandem.client.requests.rejected", dimensions: [])
        retries = factory.makeCounter(label: "tandem.client.requests.retried", dimensions: [])
    }

    /// Returns the series of an origin. The first 100 origins have their own; all others share one per scheme.
    func series(of origin: Origin) -> Series {
        if let series = known[origin] { return series }
        if known.count < FetchMetrics.mostOrigins {
            let series = Series(origin.scheme, origin, factory)
            known[origin] = series
            return series
        }
        let other = others[origin.scheme] ?? Series(origin.scheme, nil, factory)
        others[origin.scheme] = other
        return other
    }

    func connectionOpened() { connections.increment(by: 1) }
    func connectionClosed() { connections.decrement(by: 1) }
    func connectionRests() { idleConnections.increment(by: 1) }
    func connectionStirs() { idleConnections.decrement(by: 1) }
    func turnCame(after wait: Duration) { queued.recordNanoseconds(Int64(clamping: Int(wait / .nanoseconds(1)))) }
    func turnWasRefused() { rejected.increment(by: 1) }
    func requestIsRetried() { retries.increment(by: 1) }

    /// The series of the requests to one origin.
    final class Series {
        private struct Key: Hashable {
            let method: HTTPRequest.Method
            let outcome: String
        }

        private let factory: any MetricsFactory
        private let place: [(String, String)]
        private var durations: [Key: any TimerHandler] = [:]
        private var active: [HTTPRequest.Method: any MeterHandler] = [:]
        // The handlers that the last request used. Most often the next request uses them too.
        private var latestActive: (HTTPRequest.Method, any MeterHandler)?
        private var latestDuration: (HTTPRequest.Method, Int, any TimerHandler)?

        fileprivate init(_ scheme: Origin.Scheme, _ origin: Origin?, _ factory: any MetricsFactory) {
            self.factory = factory
            let server =
                origin.map { [("server.address", "\($0.host)"), ("server.port", String($0.port))] } ?? [
                    ("server.address", "other")
                ]
            place = server + [("url.scheme", scheme.rawValue)]
        }

        func requestBegan(_ method: HTTPRequest.Method) { activity(method).increment(by: 1) }

        func requestEnded(_ method: HTTPRequest.Method) { activity(method).decrement(by: 1) }

        /// Records a request that has ended.
        ///
        /// - Parameter error: The failure; nil if the whole response arrived.
        func record(_ method: HTTPRequest.Method, status: Int?, error: (any Error)?, nanoseconds: UInt64) {
            let nanoseconds = Int64(clamping: nanoseconds)
            if error == nil, let status, let (lastMethod, lastStatus, timer) = latestDuration, lastStatus == status,
                lastMethod == method
            {
                return timer.recordNanoseconds(nanoseconds)
            }
            let key = Key(method: known(method), outcome: error.map { errorType(of: $0) } ?? status.map { "\($0)" } ?? "")
            let timer = durations[key] ?? make(key, isError: error != nil)
            if error == nil, let status { latestDuration = (method, status, timer) }
            timer.recordNanoseconds(nanoseconds)
        }

        private func make(_ key: Key, isError: Bool) -> any TimerHandler {
            let outcome = isError ? "error.type" : "http.response.status_code"
            let timer = factory.makeTimer(
                label: "http.client.request.duration", dimensions: dimensions(key.method) + [(outcome, key.outcome)])
            durations[key] = timer
            return timer
        }

        private func activity(_ method: HTTPRequest.Method) -> any MeterHandler {
            if let (latest, meter) = latestActive, latest == method { return meter }
            let name = known(method)
            let meter = active[name] ?? factory.makeMeter(label: "http.client.active_requests", dimensions: dimensions(name))
            active[name] = meter
            latestActive = (method, meter)
            return meter
        }

        private func dimensions(_ method: HTTPRequest.Method) -> [(String, String)] {
            [("http.request.method", method.rawValue)] + place
        }

        /// Returns the method, or `_OTHER` for an uncommon one, because callers can use any token.
        private func known(_ method: HTTPRequest.Method) -> HTTPRequest.Method {
            method.isIdempotent || method == .post || method == .patch ? method : HTTPRequest.Method("_OTHER")!
        }
    }
}

/// Returns the value of `error.type` for an error. There are only few values.
func errorType(of error: any Error) -> String {
    switch error {
    case let error as FetchError: error.code.description
    case is CancellationError: "cancelled"
    default: "_OTHER"
    }
}
