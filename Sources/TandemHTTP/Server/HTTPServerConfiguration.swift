public import HTTPWire
public import Tandem
public import TandemTLS

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
    /// The number of hubs that `run` starts when it is not called on a hub. Each has its own listening sockets for TCP
    /// (SO_REUSEPORT); the hubs share other sockets.
    public var hubs = 1
    /// The number of connections that the kernel queues while the server is busy, listen(2). The kernel caps the value at
    /// net.core.somaxconn. 1,024: as many as arrive in a tenth of a second, at 10,000 connections per second.
    public var backlog = 1024
    /// The maximum number of connections on all hubs together. A full server closes the connections of the accepting hub that
    /// have been idle longest. If no connection is idle, it answers a further client with 503 and `Retry-After`. The limit is
    /// never more than half of the free descriptors (`ulimit -n`), because a request may open one too. 10,000: an idle
    /// connection takes 2 KiB of memory (16 KiB with TLS).
    public var maxConnections = 10_000
    /// The maximum number of connections per peer address. For IPv6 it applies to the peer's /64 network. The server answers a
    /// further connection with 429 and `Retry-After`. nil, the default, means no limit, because behind a proxy all clients have
    /// one address.
    public var maxConnectionsPerPeer: Int?
    /// The number of green threads on a hub at which the hub answers requests for blocking handlers with 503 and `Retry-After`.
    /// 10,000: each green thread uses at least two pages of memory, so 10,000 use 80 MB.
    public var maxGreenThreads = 10_000
    /// The maximum size of a request's body in bytes. The server answers a longer one with 413. 16 MiB: larger uploads should
    /// be a deliberate decision.
    public var maxBodyBytes = 16 * 1024 * 1024
    /// The limits for the head of a request and for the framing of chunks.
    public var wireLimits = HTTPWireLimits()
    /// The maximum time from the first byte of a request to the end of its head; after it the server answers 408. Short,
    /// because slow heads are a common attack.
    public var headerTimeout: Duration = .seconds(10)
    /// The time that a connection may be idle between requests; after it the server closes the connection. 75 seconds: longer
    /// than the 60 s for which many proxies keep connections to a server, so that the proxy closes first.
    public var idleTimeout: Duration = .seconds(75)
    /// The maximum number of requests per connection. The server closes the connection after the last answer. A connection
    /// stays on the hub that accepted it and, behind a load balancer, on its instance, so connections that never end would keep
    /// the load uneven. At the default, a million, the cost of a new connection is negligible compared to that of the requests.
    public var maxRequestsPerConnection = 1_000_000
    /// The time in which no byte of a request's body arrives, after which the server answers 408. 30 seconds: time enough for a
    /// phone to change its network.
    public var bodyTimeout: Duration = .seconds(30)
    /// The time in which the client takes no byte of an answer, after which the server cuts the connection. As long as
    /// `bodyTimeout`, and for the same reason.
    public var writeTimeout: Duration = .seconds(30)
    /// The time for which a handler continues after its client has half-closed the connection (FIN). The client may still read
    /// the answer, or it may have gone: the server cannot tell until it sends something. 2 seconds: longer than most handlers
    /// take, and a small cost if the client has gone.
    public var halfCloseGrace: Duration = .seconds(2)
    /// The time for which the server continues to read and drop input on a connection that it ends, so that a reset does not
    /// destroy the last answer (RFC 9112 section 9.6). It stops sooner if the client is silent for a second. 5 seconds: time
    /// enough for a client on a bad line to notice the answer and stop.
    public var lingerTimeout: Duration = .seconds(5)
    /// The maximum size in bytes of an unread body that the server reads and drops to keep the connection. If more is left, the
    /// server closes the connection. 64 KiB: about as much is already in transit when the answer is sent, and reading more
    /// costs more than a new connection.
    public var drainLimit = 64 * 1024
    /// The time from `stop` until the server accepts no more connections. Until then it serves as before, and its phase is
    /// `leaving`. Zero, because a delay is useful only with a load balancer that makes readiness checks. Set it longer than the
    /// interval of the checks plus the time that the balancer takes to react.
    public var stopDelay: Duration = .zero
    /// The time for requests in flight when the server drains; after it the server cuts them. 30 seconds, like the longest
    /// timeouts of a request (`bodyTimeout`, `writeTimeout`). A supervisor should wait longer before it kills the process.
    public var stopGrace: Duration = .seconds(30)
    /// The time for all hooks of `onShutdown` together; after it the server cancels them. 10 seconds: enough to flush buffers
    /// to a service nearby, and short enough for a supervisor to wait.
    public var cleanupTimeout: Duration = .seconds(10)
    /// The log that records every request; nil for none.
    public var accessLog: (any AccessLog)?
    /// The metrics, spans and ids of requests.
    public var observing = ObservingConfiguration()
    /// The configuration of migrating routes: see `RouteGroup.migrate`.
    public var migrations = MigrationConfiguration()
    /// The configuration of the hubs that `run` starts.
    public var hub = HubConfiguration()

    /// Creates a configuration with the defaults.
    public init() {}

    /// `addresses`, or `host` and `port` when it is empty.
    package var listenAddresses: [ListenAddress] { addresses.isEmpty ? [.tcp(host, port: port)] : addresses }
}

extension HTTPServerConfiguration {
    /// Returns the properties that ask for something that a server on `running`, a hub of the caller, cannot have.
    func ignored(on running: Hub) -> [String] {
        var names = hubs == 1 ? [] : ["hubs = \(hubs)"]
        let usual = HubConfiguration()
        func compare<Value: Equatable>(_ name: String, _ path: KeyPath<HubConfiguration, Value>) {
            let wanted = hub[keyPath: path]
            if wanted != running.configuration[keyPath: path], wanted != usual[keyPath: path] { names.append("hub." + name) }
        }
        compare("stackSize", \.stackSize)
        compare("jobsPerTurn", \.jobsPerTurn)
        compare("stopGrace", \.stopGrace)
        compare("name", \.name)
        compare("poller", \.poller)
        compare("recordsAlways", \.recordsAlways)
        compare("takesOverGlobalExecutor", \.takesOverGlobalExecutor)
        compare("stallThreshold", \.stallThreshold)
        compare("auditInterval", \.auditInterval)
        compare("stuckThreshold", \.stuckThreshold)
        compare("trimsStacks", \.trimsStacks)
        return names
    }

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
        keep("hub.recordsAlways", \.hub.recordsAlways)
        keep("hub.takesOverGlobalExecutor", \.hub.takesOverGlobalExecutor)
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
