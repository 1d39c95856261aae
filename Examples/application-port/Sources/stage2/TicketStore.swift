import Synchronization
import Tandem
import TicketModel

/// The database, in both styles. A lock admits one caller at a time. Async callers wait for the thread of the pool, which blocks in
/// their place.
final class TicketStore: Sendable {
    private let database: Mutex<Database>
    private let pool: OffloadPool

    init(file: String, pool: OffloadPool) {
        database = Mutex(Database(file: file))
        self.pool = pool
    }

    // MARK: Blocking

    func newest(_ limit: Int, before end: Int) throws -> [Ticket] {
        try database.withLock { try $0.newest(limit, before: end) }
    }

    func ticket(_ id: Int) throws -> Ticket { try database.withLock { try $0.ticket(id) } }

    func insert(_ new: NewTicket) throws -> Ticket { try database.withLock { try $0.insert(new) } }

    func beginUpload(to ticket: Int) throws -> Upload { try database.withLock { try $0.beginUpload(to: ticket) } }

    func append(_ piece: Piece) throws { try database.withLock { try $0.append(piece) } }

    func finish(_ upload: Upload) throws -> TicketAttachment { try database.withLock { try $0.finish(upload) } }

    func discard(_ upload: Upload) throws { try database.withLock { try $0.discard(upload) } }

    func attachment(of ticket: Int) throws -> StoredAttachment { try database.withLock { try $0.attachment(of: ticket) } }

    func piece(_ number: Int, of stored: StoredAttachment) throws -> [UInt8] {
        try database.withLock { try $0.piece(number, of: stored) }
    }

    // MARK: Async

    func newest(_ limit: Int, before end: Int) async throws -> [Ticket] { try await run { try $0.newest(limit, before: end) } }

    func ticket(_ id: Int) async throws -> Ticket { try await run { try $0.ticket(id) } }

    func insert(_ new: NewTicket) async throws -> Ticket { try await run { try $0.insert(new) } }

    func beginUpload(to ticket: Int) async throws -> Upload { try await run { try $0.beginUpload(to: ticket) } }

    func append(_ piece: Piece) async throws { try await run { try $0.append(piece) } }

    func finish(_ upload: Upload) async throws -> TicketAttachment { try await run { try $0.finish(upload) } }

    func discard(_ upload: Upload) async throws { try await run { try $0.discard(upload) } }

    func attachment(of ticket: Int) async throws -> StoredAttachment { try await run { try $0.attachment(of: ticket) } }

    func piece(_ number: Int, of stored: StoredAttachment) async throws -> [UInt8] {
        try await run { try $0.piece(number, of: stored) }
    }

    private func run<Success: Sendable>(_ body: @escaping @Sendable (Database) throws -> Success) async throws -> Success {
        try await pool.run { [self] in try database.withLock { try body($0) } }
    }
}
