internal import Glibc
internal import Tandem
internal import TandemHTTP

/// Why the service cannot run.
public struct ServiceError: Error, Sendable, CustomStringConvertible {
    /// What went wrong; open to new cases.
    public struct Code: Hashable, Sendable {
        enum Value { case cannotListen, unhealthy }
        let value: Value

        /// The server's address cannot be listened on.
        public static let cannotListen = Code(value: .cannotListen)
        /// A running service did not answer as a healthy one does.
        public static let unhealthy = Code(value: .unhealthy)
    }

    /// What went wrong.
    public let code: Code
    /// One or two sentences: what, where, and the remedy.
    public let message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    init(cannotListen error: any Error, _ http: HTTPServerConfiguration) {
        let hasOne = http.addresses.isEmpty
        let remedy =
            switch (error as? TandemError)?.errno {
            case EADDRINUSE where hasOne:
                "Another process has that port: stop it, or choose another by the key http.port (--port, TANDEM_HTTP_PORT)."
            case EACCES where hasOne:
                "That port needs privileges: choose one above 1023 by the key http.port (--port, TANDEM_HTTP_PORT)."
            case EADDRNOTAVAIL where hasOne:
                "This machine has no such address: choose another by the key http.host (--host, TANDEM_HTTP_HOST)."
            case nil: "The files come from the keys under tls."
            default: "The address comes from \(hasOne ? "the keys http.host and http.port" : "the key http.listen")."
            }
        self.init(.cannotListen, "\(error). \(remedy)")
    }

    /// The message.
    public var description: String { message }
}
