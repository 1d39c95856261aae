internal import Logging
internal import Synchronization

/// The TLS context that new connections of a server take, for all its hubs: what a reload replaces.
final class TLSContexts: Sendable {
    private let present = Mutex<TLSContext?>(nil)
    private let ticketKeys = TLSTicketKeys()

    /// What a connection that begins now takes.
    var current: TLSContext? { present.withLock { $0 } }

    /// Reads and checks the files, and changes nothing yet. Throws `TLSError`.
    func make(_ configuration: TLSConfiguration, logger: Logger) throws(TLSError) -> TLSContext {
        let context = try TLSContext(configuration, ticketKeys: ticketKeys)
        for warning in context.warnings { logger.warning("\(warning)") }
        return context
    }

    /// From now on new connections take this one. Those that are open keep theirs.
    func use(_ context: TLSContext) { present.withLock { $0 = context } }
}
