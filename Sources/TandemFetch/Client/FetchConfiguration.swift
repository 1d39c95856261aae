/// The configuration of a client. Every value has a default that suits a server.
///
/// The client never uses proxies (also not those in the environment), cookies, `.netrc`, or a scheme other than `http` and
/// `https`.
public struct FetchConfiguration: Sendable {
    // MARK: Time

    /// The maximum time of an exchange, from the call to the last byte of the body. It includes the wait for a turn, retries and
    /// redirects. A `deadline` in the request replaces it. 30 seconds: the user of a browser does not wait longer.
    public var timeout: Duration = .seconds(30)

    /// The maximum time to establish a connection: to resolve the name and to connect, including TLS. It applies to each
    /// connection. 10 seconds: time for three SYNs.
    public var connectTimeout: Duration = .seconds(10)

    /// The maximum time for the TLS handshake after TCP is connected; nil for no separate limit. 5 seconds: the handshake takes
    /// two round trips, and a server that accepts a connection and then stays silent will not answer later either.
    public var tlsTimeout: Duration? = .seconds(5)

    /// The maximum time from the end of the request to the head of the response; nil for no separate limit. By default as long as
    /// `timeout`, because only the caller knows how long the server may take.
    public var responseTimeout: Duration? = .seconds(30)

    /// The maximum time without progress while the request is sent or the response is received; nil for no separate limit. The
    /// clock stops while the caller does not read, or its producer does not write. 30 seconds. It matters when `timeout` is
    /// raised for long bodies.
    public var idleTimeout: Duration? = .seconds(30)

    // MARK: Load

    /// The maximum number of exchanges in flight per origin and hub. Further ones wait for a turn, first come, first served.
    /// 256: one upstream that hangs must not use up all descriptors and memory.
    ///
    /// An exchange is in flight until its body has been received or given up. All clients on a hub share the count, and the
    /// limit of the client at the front of the line applies. Fetches that cause further fetches from the same origin can wait
    /// for each other at the limit, until `queueTimeout`.
    public var maxExchangesPerOrigin = 256

    /// The maximum number of exchanges that wait for a turn, per origin and hub. One more fails at once (`overloaded`). 1,024:
    /// with 256 in flight that take a tenth of a second each, the wait is half a second.
    public var maxWaitersPerOrigin = 1024

    /// The maximum wait for a turn (`queueTimedOut`). 10 seconds: a client that waits for the result has usually gone by then.
    public var queueTimeout: Duration = .seconds(10)

    /// The time for which an idle connection is kept. 60 seconds: with regular traffic a fetch finds a connection, and an
    /// upstream that is no longer used loses its connections. The client notices at once if the upstream closes a connection
    /// earlier.
    public var keepAlive: Duration = .seconds(60)

    /// The maximum age of a connection. The client sends no further request on an older one. 5 minutes: a change of the
    /// upstream's addresses takes effect within that time.
    public var maxConnectionAge: Duration = .seconds(300)

    /// The maximum number of idle connections per origin and hub; with 0 none is kept. 128: half of `maxExchangesPerOrigin`, so
    /// that a steady load opens no connections.
    public var maxIdlePerOrigin = 128

    /// The maximum number of idle connections per hub, to all origins. Beyond it the client closes the connection that has been
    /// idle longest. 256: a quarter of the 1,024 descriptors that a process has by default.
    public var maxIdlePerHub = 256

    /// The policy for sending failed requests again. Off by default.
    public var retry = RetryPolicy.none

    /// The maximum size of a response's body in bytes, after decoding, whole or streamed. A request may have its own limit. 64
    /// MiB: more than most responses, and little enough that a few fetches at once can hold their bodies in memory.
    public var maxResponseBytes = 64 * 1024 * 1024

    /// The maximum number of redirects that a fetch follows, unless its `followRedirects` says otherwise. With 0, the default, the
    /// client returns a redirect like any other response.
    public var maxRedirects = 0

    // MARK: Protocol

    /// A version of HTTP. Client and server agree on the version of a connection when it is made.
    public enum HTTPVersion: String, CaseIterable, Sendable {
        /// HTTP/1.1: one connection per exchange in flight.
        case http1 = "1.1"
        /// HTTP/2 if the server agrees to it in the TLS handshake, otherwise HTTP/1.1. Exchanges with one origin share one
        /// connection. Flow control holds back a stream that is not read, and no other stream.
        case http2 = "2"
    }

    /// The version of HTTP to use. HTTP/1.1 by default.
    public var httpVersion = HTTPVersion.http1

    /// The `User-Agent` for requests that do not set the field; nil sends none.
    public var userAgent: String? = "Tandem"

    /// Whether the client asks for the codings gzip and deflate, and decodes them, for a request without `Range`. A decoded
    /// response has no `Content-Encoding` and no `Content-Length`, because both describe bytes that the caller does not see. A
    /// body with another coding, or with several, ends the fetch (`transfer`).
    public var decompresses = true

    // MARK: Security

    /// The origins to which a request or a redirect may go, and the addresses to which their names may resolve; nil for every
    /// origin and address. Set it in a service that fetches URLs on behalf of its clients.
    ///
    /// With a list, the client parses a URL strictly (`FetchURL`) and fetches it in its canonical form, which is also the
    /// response's `url`. It throws `originNotAllowed` for a URL that is not on the list, `badURL` for a malformed URL or one
    /// with credentials, and `refused` for an address that the list does not permit. It sends no byte to such an address.
    public var allowList: AllowList?

    /// The addresses to which a request may go, among those that `allowList` permits.
    public var addressPolicy = AddressPolicy.any

    /// Whether `https` requires a certificate that is valid for the host. Turn this off only in tests.
    public var verifiesCertificates = true

    /// The path of a PEM file with the certificate authorities to trust in place of the system's.
    public var certificateAuthorities: String?

    /// The path of a PEM file with this client's certificate and its chain, for servers that ask for one.
    public var clientCertificate: String?

    /// The path of a PEM file with the key of `clientCertificate`; nil if the key is in the same file.
    public var clientKey: String?

    /// A version of TLS.
    public enum TLSVersion: String, CaseIterable, Sendable {
        /// TLS 1.2 (RFC 5246).
        case tls12 = "1.2"
        /// TLS 1.3 (RFC 8446).
        case tls13 = "1.3"
    }

    /// The minimum version of TLS. 1.2: older versions are insecure (RFC 8996).
    public var minimumTLSVersion = TLSVersion.tls12

    /// Whether requests have spans and metrics. False for a client that exports them, whose requests would cause further ones. Such
    /// clients have connections of their own on each hub, which no metric counts.
    package var isObserved = true

    /// Creates a configuration with the defaults.
    public init() {}
}
