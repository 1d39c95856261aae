/// Why a fetch gave no answer, or not all of one. Cancellation is always Swift's own `CancellationError`, and misuse of
/// a blocking call is Tandem's `TandemError`.
public struct FetchError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What went wrong; open to new cases.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        enum Value: String {
            case badURL, badRequest, refused, couldNotResolve, couldNotConnect, tls, timedOut, tooLarge, tooManyRedirects
            case transfer, closed, busy, unavailable
        }
        let value: Value

        /// The URL is malformed, or its scheme is neither `http` nor `https`.
        public static let badURL = Code(value: .badURL)
        /// The request cannot be sent as it is: a method or a field that is not the caller's to choose.
        public static let badRequest = Code(value: .badRequest)
        /// `checkConnect` or `checkRedirect` said no.
        public static let refused = Code(value: .refused)
        /// The name of the host has no address, or no name server answered.
        public static let couldNotResolve = Code(value: .couldNotResolve)
        /// No address of the host accepted a connection.
        public static let couldNotConnect = Code(value: .couldNotConnect)
        /// TLS could not be established, or the certificate is not valid for the host.
        public static let tls = Code(value: .tls)
        /// The deadline passed, or the time to connect.
        public static let timedOut = Code(value: .timedOut)
        /// The response is larger than the caller allowed.
        public static let tooLarge = Code(value: .tooLarge)
        /// More redirects than `followRedirects`.
        public static let tooManyRedirects = Code(value: .tooManyRedirects)
        /// The connection broke, or the server did not speak HTTP.
        public static let transfer = Code(value: .transfer)
        /// The stream was closed before it was read.
        public static let closed = Code(value: .closed)
        /// Somebody else already reads this stream.
        public static let busy = Code(value: .busy)
        /// libcurl has no memory, or the hub stopped.
        public static let unavailable = Code(value: .unavailable)

        /// Its name.
        public var description: String { value.rawValue }
    }

    /// What went wrong.
    public let code: Code
    /// The CURLcode under it, where there is one; else 0.
    public let curlCode: Int32
    /// One sentence: what was fetched (the origin, never the path, the query or a password), what happened, and the
    /// remedy where there is one.
    public let message: String

    /// Creates an error. `curlCode` is 0 where libcurl reported none.
    public init(_ code: Code, _ message: String, curlCode: Int32 = 0) {
        self.code = code
        self.message = message
        self.curlCode = curlCode
    }

    /// The message.
    public var description: String { message }

    /// Two errors are the same when their codes are: messages carry places.
    public static func == (a: FetchError, b: FetchError) -> Bool { a.code == b.code && a.curlCode == b.curlCode }

    /// By code, as `==`.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(code)
        hasher.combine(curlCode)
    }
}
