internal import Glibc
internal import Tandem
internal import TandemHTTP

/// Why the service cannot run.
public struct ServiceError: Error, Sendable, CustomStringConvertible {
    /// What went wrong; open to new cases.
    public struct Code: Hashable, Sendable {
        enum Value { case cannotListen, cannotStart, unhealthy }
        let value: Value

        /// The server's address cannot be listened on.
        public static let cannotListen = Code(value: .cannotListen)
        /// The kernel refuses what the service needs, or a file that it names cannot be used.
        public static let cannotStart = Code(value: .cannotStart)
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

    /// Why the service does not start, from what the server threw or the kernel refused.
    init(cannotStart error: any Error) {
        let message = "\(error)"
        let isAddress = message.hasPrefix("cannot listen")
        let remedy =
            switch (error as? TandemError)?.errno {
            case EADDRINUSE:
                "Another process has that address: stop it, or choose another by the key http.port (--port, TANDEM_HTTP_PORT) or http.listen."
            case EACCES where isAddress:
                "That address needs privileges: choose a port above 1023 by the key http.port (--port, TANDEM_HTTP_PORT) or http.listen."
            case EADDRNOTAVAIL:
                "This machine has no such address: choose another by the key http.host (--host, TANDEM_HTTP_HOST) or http.listen."
            case EMFILE, ENFILE:
                "There are no descriptors left: raise the limit (LimitNOFILE=, ulimit -n), or lower the key http.hubs."
            case EAGAIN, ENOMEM:
                "The machine gives no more threads or memory: raise the limit (TasksMax=, MemoryMax=), or lower the key http.hubs."
            default:
                error is TLSError
                    ? "The files come from the keys under tls."
                    : isAddress ? "The address comes from the keys http.host and http.port, or http.listen." : ""
            }
        self.init(
            isAddress ? .cannotListen : .cannotStart,
            (isAddress ? message : "cannot start: \(message)")
                + (remedy.isEmpty ? "" : (message.hasSuffix(".") ? " " : ". ") + remedy))
    }

    /// The message.
    public var description: String { message }
}
