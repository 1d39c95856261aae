internal import Logging
internal import Synchronization
internal import Tandem
internal import TandemFetch
internal import TandemHTTP

/// The exporter of ended spans to an OpenTelemetry collector, by OTLP over HTTP in JSON.
///
/// It runs on the supervising hub and sends one request at a time. What the collector does affects only the exporter: the queue
/// fills, and then further spans are dropped and counted.
///
/// | the collector | the exporter |
/// | --- | --- |
/// | answers 2xx | counts the spans as exported, except those that a partial success rejects |
/// | answers 429, 502, 503 or 504, cannot be reached, or does not answer in time | sends the batch again after a pause |
/// | answers with any other status | drops the batch: it would be refused again |
///
/// The pause before the nth repetition is random, between a half and all of `retryDelay` × 2ⁿ⁻¹, at most `maxRetryDelay`; at least
/// as long as `Retry-After` asks for, up to `maxRetryAfter`.
final class SpanExporter: Sendable {
    /// The settings of an exporter. The daemon has keys for the first ones.
    struct Settings: Sendable {
        let endpoint: FetchURL
        /// The maximum number of spans per request.
        var batch = 512
        /// The maximum time that a span waits for its batch to fill.
        var interval: Duration = .seconds(1)
        /// The maximum time of one request.
        var timeout: Duration = .seconds(10)
        /// The maximum number of times that a batch is sent. 5: with the pauses below about 15 s, longer than a collector takes to
        /// restart. After that the newer spans in the queue are worth more.
        var attempts = 5
        var retryDelay: Duration = .seconds(1)
        var maxRetryDelay: Duration = .seconds(30)
        /// The longest `Retry-After` that the exporter waits for.
        var maxRetryAfter: Duration = .seconds(300)
    }

    /// The reason why a span was dropped.
    enum Drop: String, CaseIterable {
        /// The queue was full.
        case queueFull = "queue_full"
        /// The collector accepted the request, but rejected some of its spans.
        case rejected
        /// The collector refused the request.
        case refused
        /// The request failed as often as it may be sent.
        case failed
        /// The daemon stopped before the span was exported.
        case shutdown
    }

    /// The length from which a request gets no further span, in bytes. The collector of OpenTelemetry accepts 20 MiB.
    static let longestRequest = 1 << 20
    /// The maximum length of an answer that is read, in bytes.
    static let longestAnswer = 64 * 1_024
    /// The maximum time that a stop waits for the last spans. Less than `Supervisor.margin`.
    static let flushLimit: Duration = .seconds(2)

    /// The ended spans.
    let queue: SpanQueue

    private struct State {
        var exported = 0
        var failures = 0
        var dropped: [Drop: Int] = [:]
        /// Whether the last request failed.
        var isFailing = false
        var hasReportedRejection = false
        var headers: HTTPFields
    }

    private enum Answer {
        case accepted(rejected: Int, text: String)
        case refused(String)
        case retry(String, after: Duration?)
        case cancelled
    }

    private let settings: Settings
    private let resource: OTLPRequest.Resource
    private let client: FetchClient
    private let logger: Logger
    private let state: Mutex<State>
    /// Happens when the daemon stops. From then on each batch is sent once more.
    private let ending = Event<Void>()

    /// Creates an exporter that does not run yet.
    ///
    /// - Parameters:
    ///   - fetch: The configuration of the client for TLS and the version of HTTP; the rest of it is not used.
    ///   - headers: The fields for each request, such as `Authorization`.
    init(
        _ settings: Settings, queue: SpanQueue, resource: OTLPRequest.Resource, fetch: FetchConfiguration, headers: HTTPFields,
        logger: Logger
    ) {
        self.settings = settings
        self.queue = queue
        self.resource = resource
        self.logger = logger
        client = FetchClient()
        state = Mutex(State(headers: headers))
        reload(fetch, headers)
    }

    /// Replaces the TLS settings and the header fields for requests that begin from now on. Any thread.
    func reload(_ fetch: FetchConfiguration, _ headers: HTTPFields) {
        state.withLock { $0.headers = headers }
        var configuration = FetchConfiguration()
        configuration.isObserved = false
        configuration.timeout = settings.timeout
        configuration.connectTimeout = min(settings.timeout, configuration.connectTimeout)
        configuration.responseTimeout = nil
        configuration.idleTimeout = nil
        configuration.userAgent = "\(resource.service)/\(resource.version)"
        // A batch may be sent twice, so a kept connection that the collector has closed is no failure.
        configuration.retry.includesUnsafeMethods = true
        configuration.httpVersion = fetch.httpVersion
        configuration.verifiesCertificates = fetch.verifiesCertificates
        configuration.certificateAuthorities = fetch.certificateAuthorities
        configuration.clientCertificate = fetch.clientCertificate
        configuration.clientKey = fetch.clientKey
        configuration.minimumTLSVersion = fetch.minimumTLSVersion
        var privateHosts: [String] = []
        if case .name(let name) = settings.endpoint.origin.host { privateHosts.append(name) }
        configuration.allowList = AllowList(
            origins: [settings.endpoint.origin], privateHosts: privateHosts, setting: "trace.otlp-endpoint")
        client.reload(configuration)
    }

    /// Parses the URL of a collector. A URL without a path gets `/v1/traces`. Returns nil for a URL that is malformed, or has a query,
    /// which could hold a secret and would be shown.
    static func endpoint(_ text: String) -> FetchURL? {
        guard let url = try? FetchURL(text), !url.target.utf8.contains(UInt8(ascii: "?")) else { return nil }
        return url.target == "/" ? try? FetchURL("\(url.origin)/v1/traces") : url
    }

    // MARK: Running

    /// Exports spans until `finish`, or until the task is cancelled. Must be called on the supervising hub.
    ///
    /// - Parameter look: A closure that gets all spans before they are sent.
    func run(_ look: ([SpanRecord]) -> Void = { _ in }) async {
        while !Task.isCancelled {
            try? await queue.bell.wait(deadline: .after(settings.interval))
            queue.bell.reset()
            // Read first: spans that end after `finish` may be lost, those that ended before may not.
            let isLast = ending.outcome != nil
            await exportAll(look)
            if isLast { break }
        }
    }

    /// Exports the remaining spans, ends `running`, the task of `run`, and drops the spans that are left after `flushLimit`.
    func finish(_ running: Task<Void, any Error>) async {
        ending.send(())
        queue.bell.send(())
        let timer = spawn(name: "span exporter: deadline") { [flushLimit = Self.flushLimit] in
            try await sleep(for: flushLimit)
            running.cancel()
        }
        _ = await running.result
        timer.cancel()
        let left = queue.take().count
        queue.release(left)
        drop(left, .shutdown)
        let lost = state.withLock { $0.dropped[.shutdown] ?? 0 }
        if lost > 0 { logger.warning("spans were not exported before the stop", metadata: ["spans": "\(lost)"]) }
    }

    private func exportAll(_ look: ([SpanRecord]) -> Void) async {
        var spans = queue.take()
        look(spans)
        var next = 0
        while next < spans.count {
            var request = OTLPRequest(resource)
            while next < spans.count, request.count < settings.batch, request.byteCount < Self.longestRequest {
                request.append(spans[next])
                next += 1
            }
            let count = request.count
            await send(request.finished(), count)
            queue.release(count)
        }
        queue.reuse(&spans)
    }

    private func send(_ body: [UInt8], _ count: Int) async {
        for attempt in 1... {
            switch await post(body) {
            case .accepted(let rejected, let text): return succeeded(count, rejected: min(rejected, count), text)
            case .refused(let reason):
                failed(reason)
                return drop(count, .refused)
            case .cancelled: return drop(count, .shutdown)
            case .retry(let reason, let delay):
                failed(reason)
                guard ending.outcome == nil else { return drop(count, .shutdown) }
                guard attempt < settings.attempts else { return drop(count, .failed) }
                try? await ending.wait(deadline: .after(pause(before: attempt, delay)))
                if Task.isCancelled { return drop(count, .shutdown) }
            }
        }
    }

    private func pause(before retry: Int, _ asked: Duration?) -> Duration {
        let longest = min(settings.maxRetryDelay, settings.retryDelay * (1 << min(retry - 1, 20)))
        return max(longest * Double.random(in: 0.5...1), min(asked ?? .zero, settings.maxRetryAfter))
    }

    private func post(_ body: [UInt8]) async -> Answer {
        var request = FetchRequest(url: settings.endpoint.text, method: .post, headers: state.withLock { $0.headers })
        request.headers[.contentType] = "application/json"
        request.body = FetchBody(body)
        do {
            let stream = try await client.stream(request)
            defer { stream.close() }
            let status = stream.status.code
            switch status {
            case 200..<300: break
            case 429, 502, 503, 504:
                return .retry("status \(status)", after: stream[.retryAfter].flatMap(RetryPolicy.delay(asked:)))
            default: return .refused("status \(status)")
            }
            // The status says that the collector has the spans, whatever happens to the rest of the answer.
            var answer: [UInt8] = []
            do {
                while answer.count < Self.longestAnswer, let piece = try await stream.read() { answer += piece }
            } catch {}
            let text = String(decoding: answer, as: UTF8.self)
            return .accepted(rejected: Self.rejectedSpans(text), text: String(text.prefix(200)))
        } catch is CancellationError {
            return .cancelled
        } catch {
            return .retry("\(error)", after: nil)
        }
    }

    /// Returns the number of rejected spans in an answer, `{"partialSuccess":{"rejectedSpans":"3","errorMessage":"…"}}`. Within a
    /// JSON string the quotes of the name would be escaped.
    private static func rejectedSpans(_ answer: String) -> Int {
        answer.firstMatch(of: #/"rejectedSpans"\s*:\s*"?([0-9]{1,18})/#).flatMap { Int($0.1) } ?? 0
    }

    // MARK: Counting

    private func succeeded(_ count: Int, rejected: Int, _ answer: String) {
        let (worksAgain, mustReport) = state.withLock { state in
            defer {
                state.isFailing = false
                if rejected > 0 { state.hasReportedRejection = true }
            }
            state.exported += count - rejected
            state.dropped[.rejected, default: 0] += rejected
            return (state.isFailing, rejected > 0 && !state.hasReportedRejection)
        }
        if worksAgain {
            logger.info("the export of spans works again", metadata: ["dropped": "\(dropped)"])
        }
        if mustReport {
            logger.warning(
                "the collector rejects spans; this is logged once, and counted in the metrics",
                metadata: ["spans": "\(rejected)", "answer": "\(answer)"])
        }
    }

    private func failed(_ reason: String) {
        let isFirst = state.withLock { state in
            defer { state.isFailing = true }
            state.failures += 1
            return !state.isFailing
        }
        guard isFirst else { return }
        logger.warning(
            "the export of spans fails; this is logged once, until it works again",
            metadata: ["endpoint": "\(settings.endpoint.origin)", "reason": "\(reason)"])
    }

    private func drop(_ count: Int, _ reason: Drop) { state.withLock { $0.dropped[reason, default: 0] += count } }

    /// The number of dropped spans.
    var dropped: Int { queue.dropped + state.withLock { $0.dropped.values.reduce(0, +) } }

    /// Returns the metrics of the exporter. Any thread.
    func metrics() -> [MetricFamily] {
        let (exported, failures, dropped) = state.withLock { ($0.exported, $0.failures, $0.dropped) }
        func family(_ name: String, _ help: String, _ kind: MetricKind, _ samples: [MetricSample]) -> MetricFamily {
            MetricFamily(
                description: MetricDescription(name: "tandem_trace_" + name, help: help), kind: kind, samples: samples)
        }
        func sample(_ number: Int, _ labels: [(String, String)] = []) -> MetricSample {
            MetricSample(labels: MetricLabels(labels), value: .number(Double(number)))
        }
        return [
            family("spans_exported", "Spans that the collector has accepted.", .counter, [sample(exported)]),
            family(
                "spans_dropped", "Spans that were not exported, by reason.", .counter,
                Drop.allCases.map { reason in
                    sample(reason == .queueFull ? queue.dropped : dropped[reason] ?? 0, [("reason", reason.rawValue)])
                }),
            family("exports_failed", "Requests to the collector that failed.", .counter, [sample(failures)]),
            family("queue_length", "Spans that wait to be exported.", .gauge, [sample(queue.count)]),
        ]
    }
}
