internal import Glibc
internal import Tandem
internal import TandemHTTP

/// An error that prevents the daemon from running, or that makes one of its commands fail.
public struct DaemonError: Error, Sendable, CustomStringConvertible {
    /// The kind of the error; more may be added.
    public struct Code: Hashable, Sendable {
        enum Value { case cannotListen, cannotStart, hookFailed, unhealthy }
        let value: Value

        /// The server cannot listen on an address.
        public static let cannotListen = Code(value: .cannotListen)
        /// The kernel refuses what the daemon needs, a file that the configuration names cannot be used, or the service's `init`
        /// threw.
        public static let cannotStart = Code(value: .cannotStart)
        /// A hook of `onReload` refused the new values.
        public static let hookFailed = Code(value: .hookFailed)
        /// A running daemon did not answer the health check with 200.
        public static let unhealthy = Code(value: .unhealthy)
    }

    /// The kind of the error.
    public let code: Code
    /// One or two sentences about the error, its place and the remedy.
    public let message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// Explains an error that kept the daemon from starting.
    init(cannotStart error: any Error) {
        let message = "\(error)"
        let isAddress = (error as? TandemError)?.code == .cannotListen
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
