public import HTTPWire
public import Tandem

/// How a server is set up. Every limit has a default and a reason.
public struct HTTPServerConfiguration: Sendable {
    /// Where to listen, in this order; several make one server of them, HTTP and HTTPS side by side say. Empty, the default,
    /// stands for `host` and `port`.
    public var addresses: [ListenAddress] = []
    /// How TLS is spoken at those addresses that ask for it.
    public var tls: TLSConfiguration?
    /// The address to listen on when `addresses` is empty: a numeric IPv4 or IPv6 address, or "localhost" (which is 127.0.0.1).
    /// Loopback by default, so that nothing is exposed by accident.
    public var host = "127.0.0.1"
    /// The port to listen on when `addresses` is empty; 0 lets the kernel choose.
    public var port = 8080
    /// How many hubs `run` starts when it is called off a hub. Each has its own listeners (SO_REUSEPORT for TCP; other sockets
    /// are shared).
    public var hubs = 1
    /// Connections that the kernel keeps ready while the server is busy, listen(2); the kernel caps it at net.core.somaxconn.
    /// 1,024: as many as come in a tenth of a second, at 10,000 connections a second.
    public var backlog = 1024
    /// The most connections, over all hubs. A full server closes those of the accepting hub that have been idle longest. If none
    /// is idle, it answers a further client with 503 and `Retry-After`. The limit is never more than half of the free descriptors
    /// (`ulimit -n`), because a request may open one, too. 10,000: an idle connection takes 2 KiB (16 KiB with TLS).
    public var maxConnections = 10_000
    /// Connections that one peer address may have, an IPv6 peer being its /64 network; one more is answered 429 with
    /// `Retry-After`. nil, the default, for no limit: behind a proxy all clients have one address.
    public var maxConnectionsPerPeer: Int?
    /// Green threads that a hub may have when it is asked for one more, for a blocking handler; then it answers 503 with
    /// `Retry-After`. 10,000: each touches two pages at least, and that many already hold 80 MB.
    public var maxGreenThreads = 10_000
    /// Bytes of body a request may have; more is answered 413. 16 MiB: uploads beyond it want a deliberate decision.
    public var maxBodyBytes = 16 * 1024 * 1024
    /// Limits of the head and of chunk framing.
    public var wireLimits = HTTPWireLimits()
    /// From the first byte of a request to the end of its head; then 408. Short: slow heads are how connections are hoarded.
    public var headerTimeout: Duration = .seconds(10)
    /// How long a connection may stand idle between requests; then it is closed. Longer than the 60 s that proxies keep theirs.
    public var idleTimeout: Duration = .seconds(75)
    /// Requests that a connection carries; then it is closed after the answer. A connection stays on the hub, and behind a
    /// balancer on the instance, that accepted it: one that never ends would keep load from evening out. At the default,
    /// a million, the cost of a new connection vanishes in that of the requests.
    public var maxRequestsPerConnection = 1_000_000
    /// How long a body may make no progress; then 408. 30 seconds: a phone that changes its network is back by then, or not at
    /// all.
    public var bodyTimeout: Duration = .seconds(30)
    /// How long the client may take no byte of an answer; then the connection is cut. As long as `bodyTimeout`, and for the
    /// same reason.
    public var writeTimeout: Duration = .seconds(30)
    /// How long a handler goes on after its client has half-closed (FIN). A client that sends FIN after its request may still
    /// read the answer; one that has gone looks the same until something is sent to it. 2 seconds: more than nearly every
    /// handler takes, and little for one whose client has gone.
    public var halfCloseGrace: Duration = .seconds(2)
    /// How long a connection that the server ends goes on reading and dropping what its client still sends, so that the last
    /// answer is not lost to a reset (RFC 9112, 9.6); a client that is quiet for a second is not waited for any longer. The
    /// default, 5 seconds, lets a client on a bad line notice the answer and stop.
    public var lingerTimeout: Duration = .seconds(5)
    /// Bytes of an unread body that are read and dropped to keep the connection; with more it is closed. 64 KiB: those are under
    /// way already when the answer is sent, and to read more costs more than a new connection.
    public var drainLimit = 64 * 1024
    /// From `stop` until no more connections are accepted, in which the server serves as before and its phase is `leaving`. Zero,
    /// because only a load balancer that asks whether a server is ready needs it: then longer than it asks, and reacts, apart.
    public var stopDelay: Duration = .zero
    /// How long requests in flight have to end when the server drains; then they are cut. As long as the longest time-out of
    /// theirs, the one for writing; a supervisor should wait longer before it kills.
    public var stopGrace: Duration = .seconds(30)
    /// How long all that was given to `onShutdown` may take together; then it is cancelled. Enough to flush buffers to a service
    /// nearby, short enough for a supervisor to wait for.
    public var cleanupTimeout: Duration = .seconds(10)
    /// Told of every request, when set.
    public var accessLog: (any AccessLog)?
    /// What else is told about requests: metrics, spans, their ids.
    public var observing = ObservingConfiguration()
    /// How the hubs are set up that `run` starts.
    public var hub = HubConfiguration()

    /// The defaults.
    public init() {}

    /// `addresses`, or what stands for them.
    var listenAddresses: [ListenAddress] { addresses.isEmpty ? [.tcp(host, port: port)] : addresses }
}

extension HTTPServerConfiguration {
    /// Takes over what cannot change while a server runs. Returns the names of what would have.
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
        // Addresses that speak it cannot do without.
        if tls == nil { keep("tls", \.tls) }
        // What is left of it is for tests.
        let stallThreshold = hub.stallThreshold
        hub = running.hub
        hub.stallThreshold = stallThreshold
        return names
    }
}
