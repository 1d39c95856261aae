public import HTTPWire
public import Tandem

/// The configuration of a server. Every limit has a default and a reason.
public struct HTTPServerConfiguration: Sendable {
    /// The addresses to listen on, in this order. One server can listen on several, such as HTTP and HTTPS side by side. If the
    /// list is empty, the default, the server listens on `host` and `port`.
    public var addresses: [ListenAddress] = []
    /// The TLS configuration for the addresses that use TLS.
    public var tls: TLSConfiguration?
    /// The address to listen on when `addresses` is empty: a numeric IPv4 or IPv6 address, or "localhost" (which is 127.0.0.1).
    /// Loopback by default, so that nothing is exposed by accident.
    public var host = "127.0.0.1"
    /// The port to listen on when `addresses` is empty; 0 lets the kernel choose.
    public var port = 8080
    /// How many hubs `run` starts when it is called off a hub. Each has its own listeners (SO_REUSEPORT for TCP; other sockets
    /// are shared).
    public var hubs = 1
    /// Connections that the kernel queues while the server is busy, listen(2); the kernel caps the value at net.core.somaxconn.
    /// 1,024: as many as arrive in a tenth of a second, at 10,000 connections per second.
    public var backlog = 1024
    /// The most connections, over all hubs. A full server closes those of the accepting hub that have been idle longest. If none
    /// is idle, it answers a further client with 503 and `Retry-After`. The limit is never more than half of the free descriptors
    /// (`ulimit -n`), because a request may open one, too. 10,000: an idle connection takes 2 KiB (16 KiB with TLS).
    public var maxConnections = 10_000
    /// Connections that one peer address may have; an IPv6 peer counts as its /64 network. The server answers a further
    /// connection with 429 and `Retry-After`. nil, the default, means no limit: behind a proxy all clients have one address.
    public var maxConnectionsPerPeer: Int?
    /// Green threads that a hub may have before it answers requests for blocking handlers with 503 and `Retry-After`. 10,000:
    /// each touches at least two pages, and that many already hold 80 MB.
    public var maxGreenThreads = 10_000
    /// Bytes that a request's body may have; the server answers a longer one with 413. 16 MiB: larger uploads need a deliberate
    /// decision.
    public var maxBodyBytes = 16 * 1024 * 1024
    /// Limits of the head and of chunk framing.
    public var wireLimits = HTTPWireLimits()
    /// The time from the first byte of a request to the end of its head; then the server answers 408. Short, because clients that
    /// hoard connections send slow heads.
    public var headerTimeout: Duration = .seconds(10)
    /// How long a connection may be idle between requests; then the server closes it. Longer than the 60 s for which proxies keep
    /// theirs.
    public var idleTimeout: Duration = .seconds(75)
    /// Requests that a connection may carry; the server closes it after the last answer. A connection stays on the hub that
    /// accepted it and, behind a load balancer, on that instance: one that never ends would keep load from evening out. At the
    /// default, a million, the cost of a new connection is negligible beside that of the requests.
    public var maxRequestsPerConnection = 1_000_000
    /// How long a body may make no progress; then the server answers 408. 30 seconds: a phone that changes its network is back by
    /// then, or not at all.
    public var bodyTimeout: Duration = .seconds(30)
    /// How long the client may take no byte of an answer; then the server cuts the connection. As long as `bodyTimeout`, and for
    /// the same reason.
    public var writeTimeout: Duration = .seconds(30)
    /// How long a handler goes on after its client has half-closed (FIN). A client that sends FIN after its request may still
    /// read the answer; one that has gone looks the same until something is sent to it. 2 seconds: longer than nearly every
    /// handler takes, and a small cost when the client has gone.
    public var halfCloseGrace: Duration = .seconds(2)
    /// How long the server goes on reading and dropping what a client sends on a connection that the server ends, so that the
    /// last answer is not lost to a reset (RFC 9112, 9.6). It stops sooner when the client is silent for a second. The default,
    /// 5 seconds, lets a client on a bad line notice the answer and stop.
    public var lingerTimeout: Duration = .seconds(5)
    /// Bytes of an unread body that the server reads and drops to keep the connection; if more are left, it closes the
    /// connection. 64 KiB: that many are already under way when the answer is sent, and reading more costs more than a new
    /// connection.
    public var drainLimit = 64 * 1024
    /// The time from `stop` until the server accepts no more connections; meanwhile it serves as before and its phase is
    /// `leaving`. Zero, because only a load balancer with readiness checks needs a delay: set it longer than the interval of the
    /// checks plus the balancer's time to react.
    public var stopDelay: Duration = .zero
    /// How long requests in flight may take when the server drains; then the server cuts them. As long as `writeTimeout`, their
    /// longest timeout. A supervisor should wait longer before it kills the process.
    public var stopGrace: Duration = .seconds(30)
    /// How long all hooks of `onShutdown` may take together; then the server cancels them. Enough to flush buffers to a service
    /// nearby, short enough for a supervisor to wait for.
    public var cleanupTimeout: Duration = .seconds(10)
    /// The log of every request; nil for none.
    public var accessLog: (any AccessLog)?
    /// The metrics, spans and ids of requests.
    public var observing = ObservingConfiguration()
    /// The configuration of the hubs that `run` starts.
    public var hub = HubConfiguration()

    /// The defaults.
    public init() {}

    /// `addresses`, or `host` and `port` when it is empty.
    var listenAddresses: [ListenAddress] { addresses.isEmpty ? [.tcp(host, port: port)] : addresses }
}

extension HTTPServerConfiguration {
    /// Copies from `running` the properties that cannot change while a server runs. Returns the names of those that differed.
    mutating func keepFixed(of running: HTTPServerConfiguration) -> [String] {
        var names: [String] = []
        func keep<Value: Equatable>(_ name: String, _ path: WritableKeyPath<HTTPServerConfiguration, Value>) {
            guard self[keyPath: path] != running[keyPath: path] else { return }
            names.append(name)
            self[keyPath: path] = running[keyPath: path]
        }
        keep("addresses", \.addresses)
        keep("host", \.host)
        keep("port", \.port)
        keep("hubs", \.hubs)
        keep("backlog", \.backlog)
        keep("observing.recordsMetrics", \.observing.recordsMetrics)
        keep("observing.tracesRequests", \.observing.tracesRequests)
        keep("observing.trustsRequestID", \.observing.trustsRequestID)
        keep("observing.returnsRequestID", \.observing.returnsRequestID)
        keep("hub.stackSize", \.hub.stackSize)
        keep("hub.jobsPerTurn", \.hub.jobsPerTurn)
        keep("hub.stopGrace", \.hub.stopGrace)
        keep("hub.name", \.hub.name)
        keep("hub.poller", \.hub.poller)
        keep("hub.auditInterval", \.hub.auditInterval)
        keep("hub.stuckThreshold", \.hub.stuckThreshold)
        keep("hub.trimsStacks", \.hub.trimsStacks)
        // Addresses that use TLS need a TLS configuration.
        if tls == nil { keep("tls", \.tls) }
        // The remaining properties of `hub` are for tests.
        let stallThreshold = hub.stallThreshold
        hub = running.hub
        hub.stallThreshold = stallThreshold
        return names
    }
}
