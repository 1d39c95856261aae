/// How a client fetches. Every value has a default that suits a server.
///
/// What is not here is off: proxies (also those in the environment), cookies, `.netrc`, and every scheme other than
/// `http` and `https`. Requests are HTTP/1.1: on a shared HTTP/2 connection, a paused stream would hold up the others.
public struct FetchConfiguration: Sendable {
    /// The time an exchange may take, from the call to the last byte of the body, redirects included. A request's own
    /// `deadline` comes before it.
    public var timeout: Duration = .seconds(30)

    /// The part of that time in which the name must be resolved and the connection established, TLS included.
    public var connectTimeout: Duration = .seconds(10)

    /// Most bytes of a response's body, decoded, kept whole or streamed. A request may say otherwise.
    public var maxResponseBytes = 64 * 1024 * 1024

    /// Most connections to one host, on each hub; 0 for no limit. Requests over it wait for a connection to become free.
    ///
    /// Connections belong to the hub and are shared by the clients on it, so of several clients the lowest limit holds.
    public var maxConnectionsPerHost = 0

    /// Most connections altogether, on each hub; 0 for no limit. As with `maxConnectionsPerHost`, the lowest holds.
    public var maxTotalConnections = 0

    /// The `User-Agent` of requests that have none of their own; nil sends none.
    public var userAgent: String? = "Tandem"

    /// Whether to accept the codings that libcurl was built with (gzip, brotli, …) and decode them. The response then
    /// has no `Content-Encoding` and no `Content-Length`: both speak of bytes that the caller does not see.
    public var decompresses = true

    /// Whether `https` requires a certificate that is valid for the host. Turn it off in tests only.
    public var verifiesCertificates = true

    /// A file of certificate authorities in PEM form to trust in place of the system's.
    public var certificateAuthorities: String?

    /// The defaults.
    public init() {}
}
