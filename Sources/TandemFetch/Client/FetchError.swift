/// The reason why a fetch has no response, or not all of it. A cancelled fetch throws Swift's `CancellationError` instead, and
/// a blocking call in async code throws `TandemError`.
public struct FetchError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kind of error. Later versions may add kinds, so a `switch` needs a `default`.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        enum Value: String {
            case badURL, originNotAllowed, badRequest, refused, couldNotResolve, couldNotConnect, tls, timedOut, tooLarge,
                tooManyRedirects
            case transfer, closed, busy, unavailable
            case connectTimedOut, tlsTimedOut, responseTimedOut, idleTimedOut, queueTimedOut, overloaded, bodyNotRepeatable
            case shadowed
        }
        let value: Value

        /// The URL is malformed, or its scheme is neither `http` nor `https`.
        public static let badURL = Code(value: .badURL)
        /// The origin of the URL, or of a redirect's target, is not on the client's `allowList`.
        public static let originNotAllowed = Code(value: .originNotAllowed)
        /// The request cannot be sent: it has a reserved method or field, its body does not have the announced length, or the
        /// upstream does not support its `Expect`.
        public static let badRequest = Code(value: .badRequest)
        /// The address policy, the allow-list or `checkRedirect` refused an address or a redirect, or a redirect led from https
        /// to http.
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
        /// TCP was connected, but TLS was not established within `tlsTimeout`.
        public static let tlsTimedOut = Code(value: .tlsTimedOut)
        /// The request was sent, but the head of the response did not arrive within `responseTimeout`.
        public static let responseTimedOut = Code(value: .responseTimedOut)
        /// No byte was sent or received for `idleTimeout`, although the client waited for neither its reader nor its producer.
        public static let idleTimedOut = Code(value: .idleTimedOut)
        /// The exchange got no turn within `queueTimeout`, because `maxExchangesPerOrigin` exchanges were in flight.
        public static let queueTimedOut = Code(value: .queueTimedOut)
        /// `maxWaitersPerOrigin` exchanges already wait for a turn.
        public static let overloaded = Code(value: .overloaded)
        /// A redirect needs the request's body again, but the body is not repeatable.
        public static let bodyNotRepeatable = Code(value: .bodyNotRepeatable)
        /// The caller runs in a shadow (`Shadow.isActive`), where a fetch must have a safe method (RFC 9110 section 9.2.1) and does not
        /// wait for a turn.
        public static let shadowed = Code(value: .shadowed)
        /// The body exceeds `maxResponseBytes`, or the head or the trailers exceed a limit of the client.
        public static let tooLarge = Code(value: .tooLarge)
        /// There were more redirects than `followRedirects` or `maxRedirects` allows.
        public static let tooManyRedirects = Code(value: .tooManyRedirects)
        /// The connection broke, or the response is not valid HTTP, is framed ambiguously, or cannot be decoded.
        public static let transfer = Code(value: .transfer)
        /// The stream was closed before it was read, or the exchange was over before its body was written.
        public static let closed = Code(value: .closed)
        /// Another task or green thread already reads this stream.
        public static let busy = Code(value: .busy)
        /// libcurl has no memory, a socket cannot be watched, or the hub has stopped.
        public static let unavailable = Code(value: .unavailable)

        /// The name of the static member.
        public var description: String { value.rawValue }
    }

    /// The kind of error.
    public let code: Code
    /// The CURLcode that libcurl reported, or 0.
    public let curlCode: Int32
    /// The `errno` of the system call that failed, or 0.
    public let errno: Int32
    /// One sentence with the origin, the failure, and the remedy if there is one. It never contains the path, the query or a
    /// password.
    public let message: String

    /// Creates an error. `curlCode` is 0 if libcurl reported no error, and `errno` is 0 if the kernel reported none.
    public init(_ code: Code, _ message: String, curlCode: Int32 = 0, errno: Int32 = 0) {
        self.code = code
        self.message = message
        self.curlCode = curlCode
        self.errno = errno
    }

    /// Whether the error is one of the timeouts, in any phase.
    public var isTimeout: Bool {
        let phases: [Code] = [.timedOut, .connectTimedOut, .tlsTimedOut, .responseTimedOut, .idleTimedOut, .queueTimedOut]
        return phases.contains(code)
    }

    /// The message.
    public var description: String { message }

    /// Returns whether two errors have the same code. The messages do not matter, because they name origins.
    public static func == (a: FetchError, b: FetchError) -> Bool { a.code == b.code }

    /// Hashes the code.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(code)
    }
}
