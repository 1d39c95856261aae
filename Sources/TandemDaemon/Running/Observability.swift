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
    private let registry: MetricsRegistry?
    private let tracer: W3CTracer?
    private let accessLog: LineAccessLog

    /// Creates the parts that the configuration enables. Throws if the kernel refuses the writer's eventfds.
    init(_ configuration: DaemonConfiguration, log: LogOutput) throws(TandemError) {
        self.log = log
        let format = configuration.accessFormat.format(for: STDOUT_FILENO)
        let logsSpans = configuration.traceMode != .off && configuration.logsSpans
        // Created even without an access log, because a reload may enable it.
        let lines = try LineWriter(to: STDOUT_FILENO, hubs: configuration.http.hubs, format: format)
        self.lines = lines
        accessLog = LineAccessLog(writer: lines, format: format)
        registry = configuration.adminListen == nil ? nil : MetricsRegistry()
        let sink: (@Sendable (SpanRecord) -> Void)? = { span in
            lines.write(hub: Hub.current?.index ?? 0) { span.append(&$1, to: &$0) }
        }
        tracer =
            configuration.traceMode == .off
            ? nil : W3CTracer(startsTraces: configuration.traceMode == .start, sink: logsSpans ? sink : nil)
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
            + LegacyMetrics.families(TandemPatch.report()) + [dropped]
    }
}
