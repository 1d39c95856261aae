internal import CoreMetrics
internal import Glibc
internal import Logging
internal import Tandem
internal import TandemHTTP
internal import TandemPatch
internal import Tracing

/// The access log, the metrics and the traces of the service, set up once from the configuration.
///
/// Data that nobody can see is not collected: without an admin listener there are no metrics, and without `trace.mode` no traces.
struct Observability: Sendable {
    /// The writer of the access log and of spans.
    private let lines: LineWriter
    private let log: LogOutput
    /// The metrics; nil without an admin listener.
    let registry: MetricsRegistry?
    private let tracer: W3CTracer?
    private let accessLog: LineAccessLog
    /// The exporter of spans; nil if there is no collector.
    let exporter: SpanExporter?

    /// Creates the parts that the configuration enables. Throws if the kernel refuses the writer's eventfds.
    ///
    /// - Parameter exporter: The exporter of spans, which `Daemon` runs.
    init(_ configuration: DaemonConfiguration, log: LogOutput, exporter: SpanExporter?) throws(TandemError) {
        self.log = log
        let format = configuration.accessFormat.format(for: STDOUT_FILENO)
        let logsSpans = configuration.traceMode != .off && configuration.logsSpans
        // Created even without an access log, because a reload may enable it.
        let lines = try LineWriter(to: STDOUT_FILENO, hubs: configuration.http.hubs, format: format)
        self.lines = lines
        accessLog = LineAccessLog(writer: lines, format: format)
        registry = configuration.adminListen == nil ? nil : MetricsRegistry()
        self.exporter = exporter
        let sink = Self.sink(lines: logsSpans ? lines : nil, queue: exporter?.queue)
        tracer =
            configuration.traceMode == .off ? nil : W3CTracer(startsTraces: configuration.traceMode == .start, sink: sink)
    }

    /// Returns a sink that writes each ended span to the log and adds it to the queue of the exporter; nil without both.
    private static func sink(lines: LineWriter?, queue: SpanQueue?) -> (@Sendable (SpanRecord) -> Void)? {
        if lines == nil, queue == nil { return nil }
        return { span in
            lines?.write(hub: Hub.current?.index ?? 0) { span.append(&$1, to: &$0) }
            queue?.add(span)
        }
    }

    /// Installs the process's metrics and tracing, and starts the writer. Call it once, before any server runs.
    func start() throws(TandemError) {
        if let registry { MetricsSystem.bootstrap(registry) }
        if let tracer { InstrumentationSystem.bootstrap(tracer) }
        try lines.start()
    }

    /// Flushes the remaining lines and ends the writer.
    func finish() { lines.finish() }

    /// Sets or removes the access log of a server's configuration.
    func observe(_ http: inout HTTPServerConfiguration, logsAccess: Bool) { http.accessLog = logsAccess ? accessLog : nil }

    /// Keeps exemplars of the durations of requests, from spans that are about to be exported. So an exemplar leads to a trace that
    /// the collector gets, unless the export fails, and costs the serving hubs nothing.
    func exemplify(_ spans: [SpanRecord]) {
        guard let registry else { return }
        RequestExemplars.of(spans) { registry.exemplify(timer: MetricsRegistry.requestDuration, dimensions: $0, $1) }
    }

    /// The numbers of log lines and of spans that were dropped.
    var losses: (lines: Int, spans: Int) {
        (
            Int(clamping: lines.droppedLines) + Int(clamping: log.droppedLines),
            exporter.map { Int(clamping: $0.queue.dropped) } ?? 0
        )
    }

    /// Returns all metrics except those of the hubs.
    func metrics() -> [MetricFamily] {
        let dropped = MetricFamily(
            description: MetricDescription(
                name: "tandem_log_dropped_lines", help: "Lines that were dropped because their reader is too slow, by log."),
            kind: .counter,
            samples: [
                MetricSample(labels: MetricLabels([("log", "access")]), value: .number(Double(lines.droppedLines))),
                MetricSample(labels: MetricLabels([("log", "service")]), value: .number(Double(log.droppedLines))),
            ])
        return (registry?.snapshot() ?? []) + ProcessMetrics.families()
            + LegacyMetrics.families(TandemPatch.report()) + [dropped] + (exporter?.metrics() ?? [])
    }
}
