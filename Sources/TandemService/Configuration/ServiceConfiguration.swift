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
    /// How long requests in flight may go on after the first SIGTERM or SIGINT; then they are cancelled.
    public var shutdownGrace: Duration = .seconds(30)
    /// The least level that is logged to standard error.
    public var logLevel: Logger.Level = .info
    /// Whether each request is logged to standard output.
    public var logsAccess = true

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
