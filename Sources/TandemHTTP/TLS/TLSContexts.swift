internal import Logging
internal import Synchronization

/// The TLS context of new connections on all hubs of a server. A reload replaces it.
final class TLSContexts: Sendable {
    private let present = Mutex<TLSContext?>(nil)
    private let ticketKeys = TLSTicketKeys()

    /// The context for a connection that begins now.
    var current: TLSContext? { present.withLock { $0 } }

    /// Reads and checks the files, and returns a context for them. Does not put it to use. Throws `TLSError`.
    func make(_ configuration: TLSConfiguration, logger: Logger) throws(TLSError) -> TLSContext {
        let context = try TLSContext(configuration, ticketKeys: ticketKeys)
        for warning in context.warnings { logger.warning("\(warning)") }
        return context
    }

    /// Makes new connections use this context. Open connections keep theirs.
    func use(_ context: TLSContext) { present.withLock { $0 = context } }
}
