/// How a client fetches. Every value has a default that suits a server.
///
/// What is not here is off: proxies (also those in the environment), cookies, `.netrc`, and every scheme other than
/// `http` and `https`.
public struct FetchConfiguration: Sendable {
    // MARK: Time

    /// The time an exchange may take, from the call to the last byte of the body: waits for a turn, retries and redirects
    /// included. A request's own `deadline` comes before it. 30 seconds: what a browser's user waits at most.
    public var timeout: Duration = .seconds(30)

    /// The part of that time in which the name must be resolved and the connection established, TLS included; for each
    /// attempt. 10 seconds: three SYNs.
    public var connectTimeout: Duration = .seconds(10)

    /// The time that TLS may take once TCP is connected; nil for no separate limit. 5 seconds: TLS takes two round trips, and a
    /// server that has accepted and stays silent will not answer.
    public var tlsTimeout: Duration? = .seconds(5)

    /// The time from the end of the request to the head of the answer; nil for no separate limit. By default as long as
    /// `timeout`: only the caller knows how long the server may take.
    public var responseTimeout: Duration? = .seconds(30)

    /// The time in which no byte moves, while the request is sent or the answer received; nil for no separate limit. The clock
    /// stands still while the caller does not read, or its producer does not write. 30 seconds; it matters when `timeout` is
    /// raised for long bodies.
    public var idleTimeout: Duration? = .seconds(30)

    // MARK: Load

    /// Most exchanges in flight with one origin, on each hub; further ones wait, first come, first served. 256: so that one
    /// upstream that hangs does not take all descriptors and memory.
    ///
    /// An exchange is in flight until its body has been received or given up. Clients on one hub share the count; the limit of
    /// the client at the front of the line counts. Fetches that cause fetches from the same origin wait for each other at the
    /// limit, until `queueTimeout`.
    public var maxExchangesPerOrigin = 256

    /// Most that may wait for a turn with one origin, on each hub; one more fails at once (`overloaded`). 1,024: at a tenth of
    /// a second each, with the limit above, half a second's wait.
    public var maxWaitersPerOrigin = 1024

    /// The longest wait for a turn (`queueTimedOut`). 10 seconds: later, the client that asked has gone.
    public var queueTimeout: Duration = .seconds(10)

    /// How long a connection is kept when nobody uses it. 60 seconds: usual traffic finds a connection again, and an upstream that
    /// is not asked any more is left. One that closes earlier is noticed at once.
    public var keepAlive: Duration = .seconds(60)

    /// The greatest age of a connection: an older one takes no further request. 5 minutes: a change of the upstream's addresses
    /// takes effect within that time.
    public var maxConnectionAge: Duration = .seconds(300)

    /// Most idle connections that are kept to one origin, on each hub; 0 keeps none. 128: half of `maxExchangesPerOrigin`, so that
    /// a steady load opens no connections.
    public var maxIdlePerOrigin = 128

    /// Most idle connections that are kept on each hub, to all origins. 256: a quarter of the 1,024 descriptors that a
    /// process has by default. The one that has been idle longest goes first.
    public var maxIdlePerHub = 256

    /// Whether and how failed requests are sent again.
    public var retry = RetryPolicy.none

    /// Most bytes of a response's body, decoded, kept whole or streamed. A request may say otherwise. 64 MiB: more than most
    /// answers, and no more than a few fetches at once may hold that keep theirs whole.
    public var maxResponseBytes = 64 * 1024 * 1024

    // MARK: What is sent

    /// The version of HTTP to speak. A connection's version is agreed when it is made.
    public enum HTTPVersion: String, CaseIterable, Sendable {
        /// HTTP/1.1: a connection for each exchange in flight.
        case http1 = "1.1"
        /// HTTP/2 where the server agrees to it in TLS, and HTTP/1.1 else. Exchanges with one origin share one connection; a
        /// stream that is not read is held back by itself.
        case http2 = "2"
    }

    /// HTTP/1.1, unless told otherwise.
    public var httpVersion = HTTPVersion.http1

    /// The `User-Agent` of requests that have none of their own; nil sends none.
    public var userAgent: String? = "Tandem"

    /// Whether to ask for the codings gzip and deflate and decode them, of a request without `Range`. The response then has
    /// no `Content-Encoding` and no `Content-Length`: both speak of bytes that the caller does not see. A body with another
    /// coding, or with one over the other, ends the fetch (`transfer`).
    public var decompresses = true

    // MARK: Where a request may go

    /// The origins that may be fetched from, by a request or a redirect, and the addresses that their names may resolve to; nil for
    /// every origin and address. For a service that fetches URLs on behalf of its clients.
    ///
    /// With a list, a URL is read strictly (`FetchURL`) and fetched in its canonical form, which is also the response's `url`. A URL
    /// that is not on the list ends as `originNotAllowed`, one that is malformed or has credentials as `badURL`, and an address
    /// that the list does not permit as `refused`; no byte is sent to it.
    public var allowList: AllowList?

    /// The addresses that may be connected to, within those that `allowList` permits.
    public var addressPolicy = AddressPolicy.any

    /// Whether `https` requires a certificate that is valid for the host. Turn it off in tests only.
    public var verifiesCertificates = true

    /// A file of certificate authorities in PEM form to trust in place of the system's.
    public var certificateAuthorities: String?

    /// A file with this client's certificate and its chain, in PEM form, for servers that ask for one.
    public var clientCertificate: String?

    /// The file with the key of `clientCertificate`, in PEM form; nil when it is in the same file.
    public var clientKey: String?

    /// Versions of TLS.
    public enum TLSVersion: String, CaseIterable, Sendable {
        /// TLS 1.2, RFC 5246.
        case tls12 = "1.2"
        /// TLS 1.3, RFC 8446.
        case tls13 = "1.3"
    }

    /// The oldest version of TLS that is spoken. 1.2: older ones are broken (RFC 8996).
    public var minimumTLSVersion = TLSVersion.tls12

    /// The defaults.
    public init() {}
}
