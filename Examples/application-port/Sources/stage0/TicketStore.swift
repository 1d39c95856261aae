import Synchronization
import TicketModel

/// The database, for all threads. A lock admits one at a time.
final class TicketStore: Sendable {
    private let database: Mutex<Database>

    init(file: String) { database = Mutex(Database(file: file)) }

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
}
