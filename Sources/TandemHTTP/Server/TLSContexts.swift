internal import Logging
internal import Synchronization
internal import TandemTLS

/// The TLS context of new connections on all hubs of a server. A reload replaces it.
final class TLSContexts: Sendable {
    /// The protocols that the server offers by ALPN (RFC 7301), the preferred one first. A client that offers only others is refused.
    private static let protocols = ["http/1.1", "http/1.0"]

    private let present = Mutex<TLSContext?>(nil)
    private let ticketKeys = TLSTicketKeys()

    /// The context for a connection that begins now.
    var current: TLSContext? { present.withLock { $0 } }

    /// Reads and checks the files, and returns a context for them. Does not put it to use. Throws `TLSError`.
    func make(_ configuration: TLSConfiguration, logger: Logger) throws(TLSError) -> TLSContext {
        let context = try TLSContext(configuration, protocols: TLSContexts.protocols, ticketKeys: ticketKeys)
        for warning in context.warnings { logger.warning("\(warning)") }
        return context
    }

    /// Makes new connections use this context. Open connections keep theirs.
    func use(_ context: TLSContext) { present.withLock { $0 = context } }
}
