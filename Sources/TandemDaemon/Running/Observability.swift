internal import CoreMetrics
internal import Glibc
internal import Logging
internal import Tandem
internal import TandemHTTP
internal import Tracing

/// What the service tells about itself: access log, metrics and traces, set up once from the configuration.
///
/// What nobody can see is not made: without an admin listener nothing is counted, without `trace.mode` nothing is traced.
struct Observability: Sendable {
    /// Where lines about requests and spans go.
    private let lines: LineWriter
    private let log: LogOutput
    private let registry: MetricsRegistry?
    private let tracer: W3CTracer?
    private let accessLog: LineAccessLog

    /// Throws when the kernel refuses what a writer needs.
    init(_ configuration: DaemonConfiguration, log: LogOutput) throws(TandemError) {
        self.log = log
        let format = configuration.accessFormat.resolved(for: STDOUT_FILENO)
        let logsSpans = configuration.traceMode != .off && configuration.logsSpans
        // Also without an access log: a reload may ask for one.
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

    /// Sets the process's metrics and tracing, and starts the writer. Once, before any server runs.
    func start() throws(TandemError) {
        if let registry { MetricsSystem.bootstrap(registry) }
        if let tracer { InstrumentationSystem.bootstrap(tracer) }
        try lines.start()
    }

    /// Has what is left written.
    func finish() { lines.finish() }

    /// Has a server's requests logged, or not.
    func observe(_ http: inout HTTPServerConfiguration, logsAccess: Bool) { http.accessLog = logsAccess ? accessLog : nil }

    /// Everything that is counted but by hubs.
    func metrics() -> [MetricFamily] {
        let dropped = MetricFamily(
            description: MetricDescription(
                name: "tandem_log_dropped_lines", help: "Lines that were dropped because their reader is too slow, by log."),
            kind: .counter,
            samples: [
                MetricSample(labels: MetricLabels([("log", "access")]), value: .number(Double(lines.droppedLines))),
                MetricSample(labels: MetricLabels([("log", "service")]), value: .number(Double(log.droppedLines))),
            ])
        return (registry?.snapshot() ?? []) + ProcessMetrics.families() + [dropped]
    }
}
