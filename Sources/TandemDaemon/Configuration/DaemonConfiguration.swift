internal import Logging
internal import Tandem
internal import TandemFetch
internal import TandemHTTP

/// The values of the daemon's own keys. `DaemonSettings` has a row for each.
struct DaemonConfiguration: Sendable {
    /// The configuration of fetches: the origins that they may reach, and the settings of the client.
    struct Fetch: Sendable {
        /// The origins that fetches may reach, besides the daemon's own.
        var allow: [Origin] = []
        /// Host names in `allow` that may resolve to a private address (RFC 1918, RFC 6598, unique local). All others must
        /// resolve to a public one.
        var privateHosts: [String] = []
        /// The settings of the client: limits, retries, redirects, TLS and the version of HTTP.
        var client = FetchConfiguration()
    }

    /// The collector that gets ended spans of sampled traces.
    struct Collector: Sendable {
        /// The URL that spans are sent to; nil for no export.
        var endpoint: FetchURL?
        /// The file with header fields for each request, which may hold secrets.
        var headersFile: String?
        /// The maximum number of spans that wait to be exported.
        var queue = 2_048
        /// The maximum number of spans per request.
        var batch = 512
        /// The maximum time that a span waits for its batch to fill.
        var interval: Duration = .seconds(1)
        /// The maximum time of one request.
        var timeout: Duration = .seconds(10)
    }

    /// The server, its limits, and its hubs.
    var http = HTTPServerConfiguration()
    /// The maximum time for which one piece of code may hold a hub before the log names it. Zero: no limit, and no watchdog.
    var stallThreshold: Duration = .milliseconds(100)
    /// The maximum time for which a hub may run no job before `/livez` answers 503.
    var deadAfter: Duration = .seconds(30)
    /// Whether unmodified blocking code parks its green thread. On by default: the code of a service may call libc anywhere, also in
    /// libraries.
    var patchesLegacyCode = true
    /// Whether these calls include those on regular files.
    var patchesFiles = false
    /// Outbound fetches.
    var fetch = Fetch()
    /// The lowest level that is logged to standard error.
    var logLevel: Logger.Level = .info
    /// The format of the log on standard error. Text by default, which people and existing tools read.
    var logFormat = LogFormatChoice.text
    /// Whether each request is logged to standard output.
    var logsAccess = true
    /// The format of the access log. Spans are always JSON.
    var accessFormat = LogFormatChoice.text
    /// The address of the admin listener; nil for no listener and no metrics. By default there is no listener, because it tells a lot
    /// about the service, and because a second daemon on the machine should not fail over a port that is in use.
    var adminListen: ListenAddress?
    /// The names by which clients may call the admin listener, besides IP addresses and localhost.
    var adminHosts: [String] = []
    /// The file with the token that clients of the admin listener must send; nil for none.
    var adminTokenFile: String?
    /// Whether the admin listener has the dashboard. It does by default: it costs nothing until somebody looks.
    var hasDashboard = true
    /// The requests that are traced. None by default: tracing costs, and helps only those who collect traces.
    var traceMode = TraceMode.off
    /// Whether ended spans of sampled traces are written to standard output.
    var logsSpans = false
    /// The collector that gets ended spans.
    var collector = Collector()

    /// The defaults.
    init() {
        // The library's default would come from the environment, which is a source of settings here.
        http.hub.poller = .epoll
        fetch.client.maxRedirects = 5
    }

    /// The admin listener's address, if other machines can reach it; nil otherwise.
    var exposedAdmin: ListenAddress? {
        guard let address = adminListen, let host = address.host else { return nil }
        guard let ip = IPAddress(host == "localhost" ? "127.0.0.1" : host), ip.scope != .loopback else { return nil }
        return address
    }

    /// `http.tls`, whose keys form a separate group. It has no effect without certificates.
    var tls: TLSConfiguration {
        get { http.tls ?? TLSConfiguration() }
        set { http.tls = newValue }
    }
}

extension TLSConfiguration.Certificate {
    /// Reads "chain.pem key.pem", or the name of one file that has both. Returns nil for anything else.
    init?(_ text: String) {
        let words = text.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
        guard (1...2).contains(words.count), words.allSatisfy({ !$0.isEmpty }) else { return nil }
        self.init(chain: words[0], key: words[words.count - 1])
    }

    /// The text that `init(_:)` reads.
    var text: String { chain == key ? chain : "\(chain) \(key)" }
}
