/// Why a fetch gave no answer, or not all of one. Cancellation is always Swift's own `CancellationError`, and misuse of
/// a blocking call is Tandem's `TandemError`.
public struct FetchError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What went wrong; open to new cases.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        enum Value: String {
            case badURL, originNotAllowed, badRequest, refused, couldNotResolve, couldNotConnect, tls, timedOut, tooLarge,
                tooManyRedirects
            case transfer, closed, busy, unavailable
            case connectTimedOut, tlsTimedOut, responseTimedOut, idleTimedOut, queueTimedOut, overloaded, bodyNotRepeatable
        }
        let value: Value

        /// The URL is malformed, or its scheme is neither `http` nor `https`.
        public static let badURL = Code(value: .badURL)
        /// The origin of the URL, or of a redirect's target, is not on the client's `allowList`.
        public static let originNotAllowed = Code(value: .originNotAllowed)
        /// The request cannot be sent as it is: a reserved method or field, a body of another length than announced, or an
        /// upstream that knows no `Expect`.
        public static let badRequest = Code(value: .badRequest)
        /// The address policy, the allow-list or `checkRedirect` refused an address or a redirect, or a redirect led from https to
        /// http.
        public static let refused = Code(value: .refused)
        /// The name of the host has no address, or no name server answered.
        public static let couldNotResolve = Code(value: .couldNotResolve)
        /// No address of the host accepted a connection.
        public static let couldNotConnect = Code(value: .couldNotConnect)
        /// TLS could not be established, or the certificate is not valid for the host.
        public static let tls = Code(value: .tls)
        /// The deadline of the whole exchange passed (`timeout`, `deadline`).
        public static let timedOut = Code(value: .timedOut)
        /// The name was not resolved and the connection not established within `connectTimeout`.
        public static let connectTimedOut = Code(value: .connectTimedOut)
        /// The connection was there, but TLS was not within `tlsTimeout`.
        public static let tlsTimedOut = Code(value: .tlsTimedOut)
        /// The request was sent, but no answer began within `responseTimeout`.
        public static let responseTimedOut = Code(value: .responseTimedOut)
        /// No byte moved for `idleTimeout`, though both reader and producer were willing.
        public static let idleTimedOut = Code(value: .idleTimedOut)
        /// No turn came within `queueTimeout`: the origin has as many exchanges as `maxExchangesPerOrigin`.
        public static let queueTimedOut = Code(value: .queueTimedOut)
        /// As many as `maxWaitersPerOrigin` wait for their turn already.
        public static let overloaded = Code(value: .overloaded)
        /// A redirect wants the request's body again, and it cannot be made again.
        public static let bodyNotRepeatable = Code(value: .bodyNotRepeatable)
        /// The body is above `maxResponseBytes`, or the head or the trailers are above a limit of the client.
        public static let tooLarge = Code(value: .tooLarge)
        /// More redirects than `followRedirects`.
        public static let tooManyRedirects = Code(value: .tooManyRedirects)
        /// The connection broke, or the answer was not HTTP, was framed ambiguously, or could not be decoded.
        public static let transfer = Code(value: .transfer)
        /// The stream was closed before it was read, or the exchange was over before its body was written.
        public static let closed = Code(value: .closed)
        /// Another task or green thread already reads this stream.
        public static let busy = Code(value: .busy)
        /// libcurl has no memory, a socket cannot be watched, or the hub stopped.
        public static let unavailable = Code(value: .unavailable)

        /// Its name.
        public var description: String { value.rawValue }
    }

    /// What went wrong.
    public let code: Code
    /// The CURLcode under it, where there is one; else 0.
    public let curlCode: Int32
    /// The `errno` of the system call that failed, where one did; else 0.
    public let errno: Int32
    /// One sentence: what was fetched (the origin, never the path, the query or a password), what happened, and the
    /// remedy where there is one.
    public let message: String

    /// Creates an error. `curlCode` and `errno` are 0 where libcurl, or the kernel, reported none.
    public init(_ code: Code, _ message: String, curlCode: Int32 = 0, errno: Int32 = 0) {
        self.code = code
        self.message = message
        self.curlCode = curlCode
        self.errno = errno
    }

    /// Whether time ran out, in whichever phase.
    public var isTimeout: Bool {
        let phases: [Code] = [.timedOut, .connectTimedOut, .tlsTimedOut, .responseTimedOut, .idleTimedOut, .queueTimedOut]
        return phases.contains(code)
    }

    /// The message.
    public var description: String { message }

    /// Two errors are the same when their codes are: messages carry places.
    public static func == (a: FetchError, b: FetchError) -> Bool { a.code == b.code }

    /// By code, as `==`.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(code)
    }
}
