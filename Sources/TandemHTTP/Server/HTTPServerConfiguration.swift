public import HTTPWire
public import Tandem

/// How a server is set up. Every limit has a default and a reason.
public struct HTTPServerConfiguration: Sendable {
    /// The address to listen on: a numeric IPv4 or IPv6 address, or "localhost" (which is 127.0.0.1). Loopback by default,
    /// so that nothing is exposed by accident.
    public var host = "127.0.0.1"
    /// The port; 0 lets the kernel choose.
    public var port = 8080
    /// How many hubs `run` starts when it is called off a hub. Each has its own listener (SO_REUSEPORT).
    public var hubs = 1
    /// Connections that the kernel keeps ready while the server is busy, listen(2); the kernel caps it at net.core.somaxconn.
    public var backlog = 1024
    /// Connections the server holds, over all hubs; when it is full, the connections that have been idle longest give way,
    /// and if there is none, a further one is answered 503 with `Retry-After`. Never more than half of what the limit of
    /// descriptors leaves (`ulimit -n`), because a request may open one of its own. 10,000: at a few kilobytes each they
    /// cost little, and a machine that is offered more is better served by a second one.
    public var maxConnections = 10_000
    /// Connections that one peer address may have, an IPv6 peer being its /64 network; one more is answered 429 with
    /// `Retry-After`. nil, the default, for no limit: behind a proxy all clients have one address.
    public var maxConnectionsPerPeer: Int?
    /// Requests on one connection; its last answer carries `Connection: close`. nil, the default, for no limit: a
    /// connection grows no larger with its age.
    public var maxRequestsPerConnection: Int?
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
    /// How long a body may make no progress; then 408.
    public var bodyTimeout: Duration = .seconds(30)
    /// How long the client may take no byte of an answer; then the connection is cut.
    public var writeTimeout: Duration = .seconds(30)
    /// How long a handler goes on after its client has half-closed (FIN). A client that sends FIN after its request may still
    /// read the answer; one that has gone looks the same until something is sent to it.
    public var halfCloseGrace: Duration = .seconds(2)
    /// Bytes of an unread body that are read and dropped to keep the connection; with more it is closed.
    public var drainLimit = 64 * 1024
    /// Told of every request, when set.
    public var accessLog: (any AccessLog)?
    /// What else is told about requests: metrics, spans, their ids.
    public var observing = ObservingConfiguration()
    /// How the hubs are set up that `run` starts.
    public var hub = HubConfiguration()

    /// The defaults.
    public init() {}
}
