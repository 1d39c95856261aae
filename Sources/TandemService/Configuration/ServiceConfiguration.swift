internal import Configuration
public import Logging
internal import Tandem
public import TandemFetch
public import TandemHTTP

/// Everything that can be set about the daemon. `Setting.all` says under which key each value is found; the commented
/// config/tandemd.yaml says it to people.
public struct ServiceConfiguration: Sendable {
    /// What outbound fetches may reach, and how much of it.
    public struct Fetch: Sendable {
        /// Origins that `/blocking/fetch` and its like may reach, beside the service's own.
        public var allow: [Origin] = []
        /// Names among those that may resolve to a private address (RFC 1918, RFC 6598, unique local). Every other name must
        /// resolve to a public one.
        public var privateHosts: [String] = []
        /// Redirects followed one after the other, each checked like the first URL. 0 hands a redirect on as the answer.
        public var maxRedirects = 5
        /// Deadlines, limits, retries, TLS and the version of HTTP, for all of them alike.
        public var client = FetchConfiguration()
    }

    /// The HTTP server, its limits, and its hubs.
    public var http = HTTPServerConfiguration()
    /// How long one piece of code may hold a hub before it is logged, with its stack. Zero: no limit, and no watchdog.
    public var stallThreshold: Duration = .milliseconds(100)
    /// Outbound fetches.
    public var fetch = Fetch()
    /// The least level that is logged to standard error.
    public var logLevel: Logger.Level = .info
    /// How the log on standard error is written. Text by default: what people and existing tools read.
    public var logFormat = LogFormat.text
    /// Whether each request is logged to standard output.
    public var logsAccess = true
    /// How requests and spans are logged there. Spans are always JSON.
    public var accessFormat = LogFormat.text
    /// Where the admin listener is; nil for none, and then nothing is counted. None by default: it tells a lot about the
    /// service, and a second daemon on a machine should not fail over a port that nobody asked for.
    public var adminListen: ListenAddress?
    /// Which requests are traced. None by default: it costs, and helps only whoever collects traces.
    public var traceMode = TraceMode.off
    /// Whether spans that have ended are written to standard output. Only those of sampled traces.
    public var logsSpans = false

    /// The defaults.
    public init() {
        // The environment has its place among the sources, like every other key's.
        http.hub.poller = .epoll
    }

    /// The defaults, with what `reader` knows put over them. `ConfigurationLoader` has checked its values.
    init(reader: ConfigReader) {
        for setting in Setting.all { setting.read(reader, &self) }
    }
}
