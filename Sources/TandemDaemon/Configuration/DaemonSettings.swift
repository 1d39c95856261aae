internal import Logging
internal import Tandem
internal import TandemFetch
internal import TandemHTTP

/// The daemon's own keys.
enum DaemonSettings {
    /// A group of keys, with its description.
    struct Group: Sendable {
        let key: String
        let note: String
    }

    /// The groups, in the order of the file.
    static let groups: [Group] = [
        Group(key: "http", note: "The HTTP server."),
        Group(
            key: "http.limits",
            note: "What one request may send. The request line and the header fields together never exceed 65535 bytes."),
        Group(
            key: "tls",
            note: """
                TLS 1.2 and 1.3, by OpenSSL, at the addresses of http.listen that say so. Files are PEM. They are read at the start and \
                at each reload; then new connections use them, and open ones keep what they began with.
                """),
        Group(key: "hub", note: "The hubs: the threads that run the handlers."),
        Group(key: "legacy", note: "Handlers that call libc, or libraries that do."),
        Group(
            key: "migrate",
            note: """
                Routes with an old and a new handler: which of the two answers, and how they are compared. The code has a mode for \
                each such route.
                """),
        Group(key: "fetch", note: "The client that handlers fetch with."),
        Group(
            key: "shutdown",
            note: """
                The stop after SIGTERM or SIGINT. A second signal ends the process at once. A supervisor should wait longer than the \
                three together before it kills the process; TimeoutStopSec= of the systemd unit does.
                """),
        Group(key: "log", note: "The log on standard error, and the access log on standard output."),
        Group(
            key: "admin",
            note: """
                The admin listener: probes, /metrics, the dashboard at /debug/ui, and the other endpoints under /debug. It answers also while \
                code holds the hubs that serve. Without it nothing is counted, and the service itself answers /healthz.
                """),
        Group(
            key: "trace",
            note: """
                Tracing by W3C Trace Context: the fields traceparent and tracestate, in requests and in fetches. Ended spans can go to \
                standard output, and to an OpenTelemetry collector.
                """),
    ]

    private static let day = Setting.day
    private static let timeouts = 1...day

    /// The keys, in the order of the file.
    static let all: [Setting] = http + limits + tls + hub + legacy + migrate + fetch + shutdown + log + admin + trace

    private static let http: [Setting] = [
        .text(
            "http.host", \.http.host, expecting: "a numeric IPv4 or IPv6 address, or localhost", flag: "--host", .restart,
            """
            The address to listen on. Loopback by default, so that nothing is exposed by accident; 0.0.0.0 or :: listens on every \
            address of the machine.
            """, parse: { $0 == "localhost" || IPAddress($0) != nil ? $0 : nil }, render: { $0 }),
        .integer(
            "http.port", \.http.port, 0...65_535, flag: "--port", .restart,
            "The port to listen on. With 0 the kernel chooses one, which the log names."),
        .list(
            "http.listen", \.http.addresses,
            expecting:
                "a list of addresses, each like 127.0.0.1:8080, [::1]:8443 tls, unix:/run/http.sock or systemd:http",
            .restart,
            """
            The addresses to listen on, in place of http.host and http.port. "tls" behind an address makes it HTTPS. \
            unix:PATH mode=660 is a unix socket with these permissions (0\(String(ListenAddress.usualMode, radix: 8)) by default). systemd:NAME is the socket that systemd \
            passes under that name.
            """, parse: { ListenAddress($0) }, render: \.description),
        .integer(
            "http.hubs", \.http.hubs, 1...256, flag: "--hubs", .restart,
            """
            Threads that serve. Each has its own listening sockets, connections and green threads. 1, because one is enough for \
            most services; more than the machine has cores gains nothing.
            """),
        .integer(
            "http.backlog", \.http.backlog, 1...65_535, unit: "connections", .restart,
            """
            Connections that the kernel queues while the server is busy; the kernel caps it at net.core.somaxconn. 1024: as many \
            as arrive in 100 ms at 10000 connections per second.
            """),
        .integer(
            "http.max-connections", \.http.maxConnections, 1...1_000_000, unit: "connections", .nextConnection,
            """
            The most connections, over all hubs. A full server closes the connections that have been idle longest; when none is \
            idle, a further client gets 503 with Retry-After. The limit is never more than half of the free descriptors \
            (LimitNOFILE=, ulimit -n). An idle connection takes 2 KiB, with TLS 16 KiB.
            """),
        .limit(
            "http.max-connections-per-peer", \.http.maxConnectionsPerPeer, upTo: 1_000_000, unit: "connections", .nextConnection,
            """
            The most connections of one client address (of one /64 network with IPv6); further ones get 429 with Retry-After. \
            0 for no limit, the default, because behind a proxy all clients have one address.
            """),
        .integer(
            "http.max-requests-per-connection", \.http.maxRequestsPerConnection, 1...1_000_000_000, unit: "requests",
            .nextRequest,
            """
            Requests that one connection carries; the server closes it after the last answer, so that load evens out over hubs and \
            instances. At a million, the cost of a new connection is negligible. 1 turns keep-alive off.
            """),
        .integer(
            "http.max-green-threads", \.http.maxGreenThreads, 1...10_000_000, unit: "green threads", .nextRequest,
            """
            Green threads per hub; beyond that, requests for blocking handlers get 503 with Retry-After. A green thread holds at \
            least 8 KiB, and its stack while it runs deep: 10000 take 80 MB.
            """),
        .integer(
            "http.max-body-bytes", \.http.maxBodyBytes, 0...1_099_511_627_776, unit: "bytes", .nextRequest,
            "The longest body of a request; a longer one gets 413. 16 MiB: larger uploads need a deliberate decision."),
        .milliseconds(
            "http.header-timeout-ms", \.http.headerTimeout, timeouts, .nextRequest,
            """
            The time from the first byte of a request to the end of its head; then the answer is 408. Short, because clients that \
            hoard connections send slow heads.
            """),
        .milliseconds(
            "http.idle-timeout-ms", \.http.idleTimeout, timeouts, .nextRequest,
            """
            How long a connection may be idle between requests before the server closes it. Keep it above the idle timeout of a \
            proxy in front, which mostly is 60 seconds.
            """),
        .milliseconds(
            "http.body-timeout-ms", \.http.bodyTimeout, timeouts, .nextRequest,
            """
            How long the body of a request may make no progress; then the answer is 408. A phone that changes its network is back \
            within 30 seconds, or not at all.
            """),
        .milliseconds(
            "http.write-timeout-ms", \.http.writeTimeout, timeouts, .nextRequest,
            "How long a client may take no byte of its answer before the server cuts the connection. As long as body-timeout-ms."),
        .milliseconds(
            "http.half-close-grace-ms", \.http.halfCloseGrace, 0...day, .nextRequest,
            """
            How long a handler goes on after its client has closed its side; then it is cancelled. Such a client may still read the \
            answer, but one that has gone looks the same. 2 seconds: longer than nearly every handler takes.
            """),
        .milliseconds(
            "http.linger-timeout-ms", \.http.lingerTimeout, 0...day, .nextRequest,
            """
            How long the server goes on reading and dropping what a client sends on a connection that the server ends; otherwise \
            a reset could destroy the last answer. It stops after a second of silence. 5 seconds let a client on a bad line notice \
            the answer.
            """),
        .boolean(
            "http.trust-request-id", \.http.observing.trustsRequestID, .restart,
            """
            Whether the X-Request-Id of a request becomes its id in logs. Set it only behind a proxy that sets that field itself or \
            drops what clients send; otherwise anybody can write ids into your logs. An id that is not 1 to 128 visible ASCII \
            characters is never used.
            """),
        .boolean(
            "http.return-request-id", \.http.observing.returnsRequestID, .restart,
            "Whether answers carry the request's id as X-Request-Id."),
    ]

    private static let limits: [Setting] = [
        .integer(
            "http.limits.request-line-bytes", \.http.wireLimits.requestLine, 64...65_535, unit: "bytes", .nextConnection,
            "The longest request line; a longer one gets 414. RFC 9112 asks for at least 8000."),
        .integer(
            "http.limits.field-line-bytes", \.http.wireLimits.fieldLine, 64...65_535, unit: "bytes", .nextConnection,
            "The longest header field; a longer one gets 431. 8192 has room for many cookies, or for a bearer token."),
        .integer(
            "http.limits.field-count", \.http.wireLimits.fieldCount, 1...1_000, unit: "header fields", .nextConnection,
            "The most header fields; more get 431. 100 is three times what browsers send behind two proxies."),
        .integer(
            "http.limits.head-bytes", \.http.wireLimits.headBytes, 128...65_535, unit: "bytes", .nextConnection,
            "All header fields together; more get 431. Four of the longest by default."),
        .integer(
            "http.limits.trailer-bytes", \.http.wireLimits.trailerBytes, 0...65_535, unit: "bytes", .nextConnection,
            "All trailer fields of a chunked body together; more get 431. Trailers carry a checksum or a status."),
        .integer(
            "http.limits.drain-bytes", \.http.drainLimit, 0...1_073_741_824, unit: "bytes", .nextRequest,
            """
            Bytes of a body that no handler read which the server reads and drops to keep the connection; if more are left, it \
            closes the connection. 64 KiB are already under way when the answer is sent; reading more costs more than a new \
            connection.
            """),
    ]

    private static let tls: [Setting] = [
        .list(
            "tls.certificates", \.tls.certificates,
            expecting: "a list of PEM files: the certificate chain, a space, and its key; or one file with both", .nextConnection,
            """
            The certificates: for each the file of its chain (the server's own certificate first), a space, and the file of its \
            key, which must not be encrypted; or one file with both. A client gets the first certificate for the name that it asks \
            for, an exact name before a wildcard; otherwise the first of all. File names must not contain spaces.
            """, parse: { TLSConfiguration.Certificate($0) }, render: \.text),
        .text(
            "tls.client-ca", \.tls.clientAuthorities, expecting: "a PEM file, or \"\" for none", .nextConnection,
            "The authorities that must have issued the clients' certificates, in one file.",
            parse: { .some($0.isEmpty ? nil : $0) }, render: { $0 ?? "" }),
        .choice(
            "tls.client-certificates", \.tls.clientCertificates, .nextConnection,
            """
            Whether the server asks clients for certificates. optional: a client may have none, and one that it has must be valid.
            """),
        .choice(
            "tls.minimum-version", \.tls.minimumVersion, .nextConnection,
            "The oldest version of TLS. 1.2, because long-lived devices have nothing newer, and the ciphers left of it are sound."
        ),
        .milliseconds(
            "tls.handshake-timeout-ms", \.tls.handshakeTimeout, timeouts, .nextConnection,
            """
            The time from the beginning of a connection to the end of its handshake; then the server cuts it. As long as \
            http.header-timeout-ms, because clients hoard connections by slow handshakes, too.
            """),
    ]

    private static let hub: [Setting] = [
        .integer(
            "hub.stack-size-kib", \.http.hub.stackSize, 64...1_048_576, unit: "KiB", scale: 1_024, .restart,
            """
            The stack that a green thread borrows. It is address space: only what is touched takes memory. Raise it when the log \
            says "green thread stack overflow".
            """),
        .milliseconds(
            "hub.stall-threshold-ms", \.stallThreshold, 0...day, .reload,
            """
            How long one piece of code may hold a hub, so that all others on it wait, before the log says which code and where it \
            is. 0 turns these reports off.
            """),
        .milliseconds(
            "hub.dead-after-ms", \.deadAfter, 1_000...day, .restart,
            """
            How long a hub that serves may run no job before /livez of the admin listener answers 503, so that an orchestrator \
            restarts the process. 30 seconds: code that holds a hub for that long does not let go.
            """),
        .choice(
            "hub.poller", \.http.hub.poller, .restart,
            "The system call that a hub waits in. The cost of poll grows with the number of connections."),
        .boolean(
            "hub.flight-recorder", \.http.hub.recordsAlways, .restart,
            """
            Whether the hubs always record what they do, so that the report of a stall says what happened in the second before. It takes 3 \
            MiB per hub, and a few percent of the time of each request. False: they record only while somebody asks for /debug/trace.
            """),
        .boolean(
            "hub.runs-all-tasks", \.http.hub.takesOverGlobalExecutor, .restart,
            """
            Whether all Swift tasks of the process run on the hubs: also Task { }, Task.detached and those of libraries, which otherwise \
            run on Swift's own threads. The main actor then runs on the main thread, beside the supervisor. With true, a task that \
            blocks its thread holds a hub, and the log says so.
            """),
    ]

    private static let legacy: [Setting] = [
        .boolean(
            "legacy.patch", \.patchesLegacyCode, .restart,
            """
            Whether blocking calls of libc in blocking handlers (sleeps, sockets, locks, libcurl, Foundation) wait on the hub, so that \
            it serves other requests meanwhile. With false such a call holds its hub. The page on unmodified blocking code says what \
            is covered.
            """),
        .boolean(
            "legacy.files", \.patchesFiles, .restart,
            """
            Whether such calls also wait on the hub while they read or write regular files that are not in memory, and in fsync. Each \
            then takes an OS thread. Without legacy.patch it has no effect.
            """),
    ]

    private static let migrate: [Setting] = [
        .boolean(
            "migrate.enabled", \.http.migrations.isEnabled, .nextRequest,
            "Whether routes migrate. False sends every request to its old handler and runs no shadow."
        ),
        .list(
            "migrate.routes", \.http.migrations.routes,
            expecting:
                "a list of routes with their modes, each like GET /users/{id} shadow 5, POST /orders percent 12.5 by=header:X-Tenant, GET /report new verify=0.1 or GET /report old",
            .nextRequest,
            """
            Modes in place of those in the code; numbers are percent. old and new send all requests to one handler. shadow runs \
            the new one afterwards on copies of a share of the requests (1 if none is given), new verify= the old one; control= \
            is the share of these that run the answering handler again, to see what differs by itself (10 if none is given). \
            percent divides requests by=request, by=peer, by=header:NAME or by=cookie:NAME. Methods other than GET, HEAD, OPTIONS \
            and TRACE have no shadows unless the code permits them.
            """, parse: { RouteMigration($0) }, render: \.description),
        .integer(
            "migrate.shadow-max-in-flight", \.http.migrations.shadowMaxInFlight, 0...10_000, unit: "requests", .nextRequest,
            "Sampled requests per hub, until their shadows have ended. Further requests are not sampled; none waits in a line."
        ),
        .milliseconds(
            "migrate.shadow-timeout-ms", \.http.migrations.shadowTimeout, timeouts, .nextRequest,
            "The longest run of a shadow, which is then cancelled, and the longest answer that is sampled."),
        .integer(
            "migrate.shadow-max-body-bytes", \.http.migrations.shadowMaxBodyBytes, 0...16_777_216, unit: "bytes", .nextRequest,
            "The longest body of a request that is sampled. It is copied while the handler reads it."),
        .integer(
            "migrate.compare-max-bytes", \.http.migrations.compareMaxBytes, 0...67_108_864, unit: "bytes", .nextRequest,
            """
            The longest body of an answer that is compared. Both answers are in memory, so this times twice \
            shadow-max-in-flight is the most that a hub holds: 32 MiB.
            """),
        .integer(
            "migrate.guard-error-points", \.http.migrations.guardErrorPoints, 0...100, unit: "percentage points", .nextRequest,
            """
            Percentage points by which the new handler's error rate (5xx, or an answer that is cut) may exceed the old one's within \
            a minute. Beyond it the route falls back to the old handler, until a reload changes its item. 0 turns the guard off.
            """),
        .integer(
            "migrate.guard-min-requests", \.http.migrations.guardMinRequests, 1...1_000_000_000, unit: "requests", .nextRequest,
            "Requests of a route in the minute that begins with an error, before its guard acts."),
        .choice(
            "migrate.samples", \.http.migrations.samples, .nextRequest,
            """
            The details of differences that /debug/migration shows: none; shape, which are statuses, sizes and offsets; or body, \
            with excerpts of fields and bodies, which may be personal data.
            """),
        .text(
            "migrate.override-field", \.http.migrations.overrideField, expecting: "the name of a header field, or nothing",
            .nextRequest,
            """
            A header field whose value old or new selects the handler of its request, such as Tandem-Migrate, for smoke tests. "" \
            for none: any client can send the field, unless a proxy in front removes it.
            """,
            parse: { text in text.isEmpty ? .some(nil) : HTTPField.Name(text).map { .some($0) } },
            render: { $0?.rawName ?? "" }),
    ]

    private static let fetch: [Setting] = [
        .list(
            "fetch.allow", \.fetch.allow, expecting: "a list of origins, each like https://api.example.com:8443",
            flag: "--fetch-allow", .nextFetch,
            """
            The origins that handlers may fetch from: scheme, host and port. The daemon's own origins (localhost, 127.0.0.1 and \
            [::1] at its port, by http) are always allowed. A name must resolve to a public address, and localhost to this machine. \
            A numeric address that is listed is allowed, also a private one. The same rules hold for redirects.
            """, parse: { Origin($0) }, render: \.description),
        .list(
            "fetch.private-hosts", \.fetch.privateHosts, expecting: "a list of host names", .nextFetch,
            """
            Host names in fetch.allow that may also resolve to private addresses (such as 10.0.0.0/8 and fc00::/7): services in your \
            own network. The owner of their DNS records decides which private address is reached.
            """,
            parse: { text in
                guard case .name(let name)? = URLHost(text) else { return nil }
                return name
            }, render: { $0 }),
        .milliseconds(
            "fetch.timeout-ms", \.fetch.client.timeout, timeouts, .nextFetch,
            "The time for one fetch, including the wait for a turn, retries, redirects and the body."),
        .milliseconds(
            "fetch.connect-timeout-ms", \.fetch.client.connectTimeout, timeouts, .nextFetch,
            "The time for the name lookup and the connection, including TLS. In 10 seconds TCP tries three times."),
        .limit(
            "fetch.tls-timeout-ms", \.fetch.client.tlsTimeout, .nextFetch,
            """
            The time for the TLS handshake once TCP is connected; 0 for no separate limit. 5 seconds: a handshake takes two round \
            trips, and a server that has said nothing by then will not answer.
            """),
        .limit(
            "fetch.response-timeout-ms", \.fetch.client.responseTimeout, .nextFetch,
            """
            The time from the end of the request to the head of the answer; 0 for no separate limit. As long as fetch.timeout-ms, \
            because upstreams differ in how long they compute.
            """),
        .limit(
            "fetch.idle-timeout-ms", \.fetch.client.idleTimeout, .nextFetch,
            """
            The time without a byte of the request or the answer; 0 for no separate limit. Time in which the handler reads or sends \
            nothing does not count. Set it when you raise fetch.timeout-ms for long bodies.
            """),
        .integer(
            "fetch.max-per-origin", \.fetch.client.maxExchangesPerOrigin, 1...1_000_000, unit: "fetches", .nextFetch,
            """
            Fetches in flight to one origin per hub; further ones wait for a turn. So an upstream that hangs does not take all \
            descriptors and memory.
            """),
        .integer(
            "fetch.max-waiting", \.fetch.client.maxWaitersPerOrigin, 0...1_000_000, unit: "fetches", .nextFetch,
            "Fetches that may wait for a turn with one origin per hub. Further ones fail at once."),
        .milliseconds(
            "fetch.queue-timeout-ms", \.fetch.client.queueTimeout, timeouts, .nextFetch,
            "How long a fetch waits for a turn before it fails."),
        .milliseconds(
            "fetch.keep-alive-ms", \.fetch.client.keepAlive, 0...day, .nextFetch,
            """
            How long an idle connection to an upstream is kept; 0 keeps none. In 60 seconds usual traffic uses a connection again. \
            When the upstream closes it earlier, the hub notices at once.
            """),
        .milliseconds(
            "fetch.max-connection-age-ms", \.fetch.client.maxConnectionAge, timeouts, .nextFetch,
            """
            The age after which a connection takes no further request. 5 minutes: a change of the upstream's addresses takes effect \
            within that time.
            """),
        .integer(
            "fetch.max-idle-per-origin", \.fetch.client.maxIdlePerOrigin, 0...1_000_000, unit: "connections", .nextFetch,
            """
            Idle connections that each hub keeps to one origin. 128, half of fetch.max-per-origin, so that a steady load opens no \
            connections.
            """),
        .integer(
            "fetch.max-idle-per-hub", \.fetch.client.maxIdlePerHub, 0...1_000_000, unit: "connections", .nextFetch,
            """
            Idle connections that each hub keeps to all origins; the one that has been idle longest is closed first. 256: a quarter \
            of the 1024 descriptors that a process has by default.
            """),
        .integer(
            "fetch.attempts", \.fetch.client.retry.attempts, 1...10, unit: "attempts", .nextFetch,
            """
            Attempts for a fetch by GET. It is sent again when no connection could be made, when the connection breaks before an \
            answer, and after 502, 503 and 504. 1, no retries, because clients of this service may retry, too, and retries at \
            several layers multiply the load. Retries to one origin are limited to ten, plus a fifth of its requests, plus one per \
            second.
            """),
        .milliseconds(
            "fetch.retry-delay-ms", \.fetch.client.retry.baseDelay, timeouts, .nextFetch,
            """
            The longest pause before the first retry; it doubles with each retry. The pause is random between 0 and that, so that \
            fetches that failed together do not retry together.
            """),
        .milliseconds(
            "fetch.retry-max-delay-ms", \.fetch.client.retry.maxDelay, timeouts, .nextFetch, "The longest pause before any retry."
        ),
        .milliseconds(
            "fetch.retry-after-max-ms", \.fetch.client.retry.maxRetryAfter, 0...day, .nextFetch,
            "The longest Retry-After that a retry waits for. An answer that asks for a longer pause is returned."),
        .integer(
            "fetch.max-response-bytes", \.fetch.client.maxResponseBytes, 0...1_099_511_627_776, unit: "bytes", .nextFetch,
            """
            The longest body of an answer, after decoding. A fetch whose announced length is longer fails; a body without a length \
            is cut off at the limit. 64 MiB is more than most answers have.
            """),
        .integer(
            "fetch.max-redirects", \.fetch.client.maxRedirects, 0...20, unit: "redirects", .nextFetch,
            """
            Redirects that one fetch follows; with 0 a redirect is the answer. 5: http to https, a host to its www, a path to its \
            slash, and two to spare.
            """),
        .choice(
            "fetch.http-version", \.fetch.client.httpVersion, .nextFetch,
            """
            The version of HTTP: "1.1", or "2" for HTTP/2 with upstreams that agree to it in TLS. With HTTP/2 all fetches from one \
            origin share one connection per hub.
            """),
        .file(
            "fetch.ca-file", \.fetch.client.certificateAuthorities, .nextFetch,
            "A file of certificate authorities to trust in place of the system's, in PEM form; empty for the system's."),
        .file(
            "fetch.client-certificate", \.fetch.client.clientCertificate, .nextFetch,
            """
            A file with the certificate, and its chain, that is sent to upstreams that ask for one, in PEM form; empty for none.
            """),
        .file(
            "fetch.client-key", \.fetch.client.clientKey, .nextFetch,
            "The file with the key of that certificate, in PEM form; empty when the key is in the same file."),
        .choice(
            "fetch.min-tls-version", \.fetch.client.minimumTLSVersion, .nextFetch,
            "The oldest version of TLS to accept. Older ones than these are broken (RFC 8996)."),
    ]

    private static let shutdown: [Setting] = [
        .milliseconds(
            "shutdown.delay-ms", \.http.stopDelay, 0...day, .reload,
            """
            How long the service goes on as before while /readyz already answers 503. Use it with a load balancer that checks \
            /readyz: then longer than the interval of its checks plus its time to react.
            """),
        .milliseconds(
            "shutdown.grace-ms", \.http.stopGrace, 0...day, .reload,
            """
            How long requests in flight may take from then on; then they are cut. Meanwhile no connection is accepted, and idle ones \
            are closed. As long as http.write-timeout-ms.
            """),
        .milliseconds(
            "shutdown.cleanup-ms", \.http.cleanupTimeout, 1...day, .reload,
            """
            How long the clean-up may take when the last connection has ended; then it is cancelled. Enough to flush buffers to a \
            service nearby, short enough for a supervisor to wait for.
            """),
    ]

    private static let log: [Setting] = [
        .choice("log.level", \.logLevel, .reload, "The lowest level that is logged to standard error."),
        .choice(
            "log.format", \.logFormat, .restart,
            "The format of the log. auto: text on a terminal, elsewhere json (an object per line)."),
        .boolean("log.access", \.logsAccess, .nextRequest, "Whether each request is logged to standard output."),
        .choice(
            "log.access-format", \.accessFormat, .restart,
            "The format of the access log. The page on observability lists the fields."),
    ]

    private static let admin: [Setting] = [
        .text(
            "admin.listen", \.adminListen,
            expecting: "an address like 127.0.0.1:8081, [::1]:8081, unix:PATH or systemd:NAME, without tls, or nothing", .restart,
            """
            The address, written as in http.listen; "" for none. The admin listener tells what the service is doing: keep it on this \
            machine, or in a network of your own, or set admin.token-file.
            """,
            parse: { text in
                guard !text.isEmpty else { return .some(nil) }
                guard let address = ListenAddress(text), !address.isTLS else { return nil }
                return .some(address)
            }, render: { $0?.description ?? "" }),
        .boolean(
            "admin.dashboard", \.hasDashboard, .restart,
            "Whether the admin listener has the dashboard, /debug/ui. It only reads, and costs next to nothing until a viewer connects."
        ),
        .list(
            "admin.allowed-hosts", \.adminHosts, expecting: "a list of host names, without ports", .nextRequest,
            """
            Names by which clients call the admin listener, such as "shop.monitoring.svc". IP addresses and localhost are always allowed; \
            other names are refused with 421, except for probes, so that no web site can read the listener through a browser (DNS rebinding).
            """,
            parse: { name in
                let isName = name.utf8.allSatisfy { $0.isHostNameByte }
                return isName && !name.isEmpty ? name : nil
            }, render: \.self),
        .file(
            "admin.token-file", \.adminTokenFile, .nextRequest,
            """
            A file with a token of 16 to 512 characters, which clients of the admin listener must send, except probes: as Authorization: \
            Bearer TOKEN, or as the password in a browser. Empty for none. Each reload reads it again.
            """),
    ]

    private static let trace: [Setting] = [
        .choice(
            "trace.mode", \.traceMode, .restart,
            """
            The requests that are traced: none (off), those whose client sends a traceparent (join), or all (start: one without \
            begins a trace). Their trace_id is in the logs, and fetches pass it on to upstreams.
            """),
        .boolean(
            "trace.log-spans", \.logsSpans, .restart,
            """
            Whether ended spans are written to standard output, as JSON, one per line. Only those of sampled traces; a trace that \
            begins here is sampled when this is true, or when trace.otlp-endpoint is set.
            """),
        .text(
            "trace.otlp-endpoint", \.collector.endpoint,
            expecting: "an http or https URL without a query, like http://127.0.0.1:4318/v1/traces, or nothing", .restart,
            """
            The URL of an OpenTelemetry collector that gets ended spans of sampled traces, by OTLP over HTTP in JSON; "" for none. A \
            URL without a path gets /v1/traces. Without trace.mode it has no effect. The exporter may reach this origin, and handlers \
            may not unless fetch.allow lists it. It uses fetch.ca-file and the other keys of fetch for TLS.
            """,
            parse: { text in text.isEmpty ? .some(nil) : SpanExporter.endpoint(text).map { .some($0) } },
            render: { $0?.text ?? "" }),
        .file(
            "trace.otlp-headers-file", \.collector.headersFile, .nextFetch,
            """
            A file of header fields for the collector, one per line, such as Authorization: Bearer TOKEN; empty for none. A file, so \
            that the token appears neither in check-config nor in a list of processes. Each reload reads it again.
            """),
        .integer(
            "trace.otlp-queue", \.collector.queue, 1...1_000_000, unit: "spans", .restart,
            """
            Spans that may wait for the collector; further ones are dropped and counted. 2048, the default of OpenTelemetry's SDKs: \
            about 4 MB.
            """),
        .integer(
            "trace.otlp-batch", \.collector.batch, 1...100_000, unit: "spans", .restart,
            "Spans per request to the collector; a request also ends at 1 MiB. 512, the default of OpenTelemetry's SDKs."),
        .milliseconds(
            "trace.otlp-interval-ms", \.collector.interval, timeouts, .restart,
            """
            How long a span waits for its batch to fill. 1 second: whoever debugs finds the trace of a request soon after it has \
            ended.
            """),
        .milliseconds(
            "trace.otlp-timeout-ms", \.collector.timeout, timeouts, .restart,
            """
            The time for one request to the collector. 10 seconds, the default of OTLP. Failed requests are repeated with growing \
            pauses, five attempts in all.
            """),
    ]
}

extension UInt8 {
    /// Whether the byte may be in a host name: letters, digits, "-", "_" and ".".
    fileprivate var isHostNameByte: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: self == UInt8(ascii: "-") || self == UInt8(ascii: "_") || self == UInt8(ascii: ".")
        }
    }
}
