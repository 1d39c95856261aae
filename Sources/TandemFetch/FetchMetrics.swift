internal import CoreMetrics
internal import HTTPTypes
internal import Tandem

/// What the fetches of one hub count, by OpenTelemetry's names where it has any. On its hub.
///
/// Each series is asked from the factory once and then found by its origin and a text. Origins are as many as the URLs that
/// are fetched name, and those may come from strangers: after the first 100, `server.address` is `other`.
final class FetchMetrics {
    private static let mostOrigins = 100

    private struct Key: Hashable {
        let origin: Int
        let method: HTTPRequest.Method
        let outcome: String
    }

    private let factory: any MetricsFactory
    private var origins: [String: Int] = [:]
    private var durations: [Key: any TimerHandler] = [:]
    private var active: [Key: any MeterHandler] = [:]
    private let connections: any MeterHandler
    private let queued: any TimerHandler
    private let rejected: any CounterHandler
    private let retries: any CounterHandler

    /// nil when nobody counts. Uses the factory that is in force for the first fetch of the hub.
    init?() {
        factory = MetricsSystem.factory
        if factory is NOOPMetricsHandler { return nil }
        connections = factory.makeMeter(label: "http.client.open_connections", dimensions: [])
        queued = factory.makeTimer(label: "tandem.client.queue.duration", dimensions: [])
        rejected = factory.makeCounter(label: "tandem.client.requests.rejected", dimensions: [])
        retries = factory.makeCounter(label: "tandem.client.requests.retried", dimensions: [])
    }

    func requestBegan(_ url: TargetURL, _ method: HTTPRequest.Method) { activity(url, method).increment(by: 1) }

    /// - Parameter error: What ended it, when it was not the whole of an answer.
    func requestEnded(
        _ url: TargetURL, _ method: HTTPRequest.Method, status: HTTPResponse.Status?, error: (any Error)?, took: Duration
    ) {
        activity(url, method).decrement(by: 1)
        let outcome = error.map { errorType(of: $0) } ?? status.map { "\($0.code)" } ?? ""
        let key = Key(origin: number(of: url), method: known(method), outcome: outcome)
        let timer = durations[key] ?? made(key, url, isError: error != nil)
        timer.recordNanoseconds(Int64(clamping: Int(took / .nanoseconds(1))))
    }

    private func made(_ key: Key, _ url: TargetURL, isError: Bool) -> any TimerHandler {
        let outcome = isError ? "error.type" : "http.response.status_code"
        let timer = factory.makeTimer(
            label: "http.client.request.duration", dimensions: dimensions(key, url) + [(outcome, key.outcome)])
        durations[key] = timer
        return timer
    }

    private func activity(_ url: TargetURL, _ method: HTTPRequest.Method) -> any MeterHandler {
        let key = Key(origin: number(of: url), method: known(method), outcome: "")
        if let known = active[key] { return known }
        let meter = factory.makeMeter(label: "http.client.active_requests", dimensions: dimensions(key, url))
        active[key] = meter
        return meter
    }

    private func number(of url: TargetURL) -> Int {
        if let known = origins[url.origin] { return known }
        guard origins.count < FetchMetrics.mostOrigins else { return 0 }
        origins[url.origin] = origins.count + 1
        return origins.count
    }

    private func dimensions(_ key: Key, _ url: TargetURL) -> [(String, String)] {
        let place =
            key.origin == 0
            ? [("server.address", "other")] : [("server.address", url.host), ("server.port", String(url.port))]
        return [("http.request.method", key.method.rawValue)] + place + [("url.scheme", url.isSecure ? "https" : "http")]
    }

    /// A caller may invent methods.
    private func known(_ method: HTTPRequest.Method) -> HTTPRequest.Method {
        method.isIdempotent || method == .post || method == .patch ? method : HTTPRequest.Method("_OTHER")!
    }

    func connectionOpened() { connections.increment(by: 1) }
    func connectionClosed() { connections.decrement(by: 1) }
    func turnCame(after wait: Duration) { queued.recordNanoseconds(Int64(clamping: Int(wait / .nanoseconds(1)))) }
    func turnWasRefused() { rejected.increment(by: 1) }
    func isRetried() { retries.increment(by: 1) }
}

/// A short word for an error, of which there are few.
func errorType(of error: any Error) -> String {
    switch error {
    case let error as FetchError: error.code.description
    case is CancellationError: "cancelled"
    default: "_OTHER"
    }
}
