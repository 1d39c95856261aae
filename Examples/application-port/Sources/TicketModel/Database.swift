import CSQLite
import Foundation

/// The tickets in a file of SQLite, over one connection. No stage changes this type: its calls block, as SQLite's do.
///
/// One thread at a time may use it. The first call opens the file. While another process writes, a call waits for up to 10 seconds,
/// sleeping in between. In WAL mode with `synchronous = NORMAL` a commit does not wait for the disk; a checkpoint, after about 4 MB of
/// writes, does.
package final class Database {
    private let file: String
    private var connection: OpaquePointer?

    package init(file: String) { self.file = file }

    deinit { sqlite3_close(connection) }

    private func open() throws(TicketError) {
        let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX
        do {
            try check(sqlite3_open_v2(file, &connection, flags, nil), SQLITE_OK)
            sqlite3_busy_timeout(connection, 10_000)
            for statement in ["PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL"] { try query(statement) { _ in } }
            try transaction { () throws(TicketError) in
                for statement in Self.schema { try query(statement) { _ in } }
            }
        } catch {
            sqlite3_close(connection)
            connection = nil
            throw error
        }
    }

    private static let schema = [
        """
        CREATE TABLE IF NOT EXISTS tickets (
            id INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT NOT NULL, priority TEXT NOT NULL, cents INTEGER NOT NULL,
            created TEXT NOT NULL)
        """,
        "CREATE TABLE IF NOT EXISTS uploads (id INTEGER PRIMARY KEY AUTOINCREMENT, ticket INTEGER NOT NULL)",
        """
        CREATE TABLE IF NOT EXISTS pieces (
            upload INTEGER NOT NULL, number INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (upload, number))
        """,
        """
        CREATE TABLE IF NOT EXISTS attachments (
            ticket INTEGER PRIMARY KEY, upload INTEGER NOT NULL, bytes INTEGER NOT NULL, checksum TEXT NOT NULL)
        """,
    ]

    // MARK: Tickets

    package func insert(_ new: NewTicket) throws(TicketError) -> Ticket {
        let ticket = Ticket(
            id: 0, title: new.title, priority: new.priority ?? .normal, cents: new.cents, created: utcNow())
        let ids = try query(
            "INSERT INTO tickets (title, priority, cents, created) VALUES (?, ?, ?, ?) RETURNING id",
            .text(ticket.title), .text(ticket.priority.rawValue), .integer(ticket.cents), .text(ticket.created)
        ) { $0.integer(0) }
        var stored = ticket
        stored.id = ids[0]
        return stored
    }

    package func ticket(_ id: Int) throws(TicketError) -> Ticket {
        let found = try query("SELECT \(Self.columns) FROM tickets WHERE id = ?", .integer(id), row: Self.ticket)
        guard let ticket = found.first else { throw .noTicket(id) }
        return ticket
    }

    /// Returns the newest tickets with an id below `end`.
    package func newest(_ limit: Int, before end: Int) throws(TicketError) -> [Ticket] {
        try query(
            "SELECT \(Self.columns) FROM tickets WHERE id < ? ORDER BY id DESC LIMIT ?", .integer(end), .integer(limit),
            row: Self.ticket)
    }

    private static let columns = "id, title, priority, cents, created"

    private static func ticket(_ row: Row) -> Ticket {
        Ticket(
            id: row.integer(0), title: row.text(1), priority: Priority(rawValue: row.text(2)) ?? .normal, cents: row.integer(3),
            created: row.text(4))
    }

    // MARK: Attachments

    package func beginUpload(to ticket: Int) throws(TicketError) -> Upload {
        _ = try self.ticket(ticket)
        let ids = try query("INSERT INTO uploads (ticket) VALUES (?) RETURNING id", .integer(ticket)) { $0.integer(0) }
        return Upload(id: ids[0], ticket: ticket)
    }

    package func append(_ piece: Piece) throws(TicketError) {
        try query(
            "INSERT INTO pieces (upload, number, bytes) VALUES (?, ?, ?)", .integer(piece.upload), .integer(piece.number),
            .blob(piece.bytes)
        ) { _ in }
    }

    /// Replaces the ticket's attachment by this one.
    package func finish(_ upload: Upload) throws(TicketError) -> TicketAttachment {
        let attachment = upload.attachment
        try transaction { () throws(TicketError) in
            try query(
                "DELETE FROM pieces WHERE upload = (SELECT upload FROM attachments WHERE ticket = ?)", .integer(upload.ticket)
            ) { _ in }
            try query(
                "INSERT OR REPLACE INTO attachments (ticket, upload, bytes, checksum) VALUES (?, ?, ?, ?)",
                .integer(upload.ticket), .integer(upload.id), .integer(attachment.bytes), .text(attachment.checksum)
            ) { _ in }
        }
        return attachment
    }

    /// Removes the pieces of an upload that was not completed.
    package func discard(_ upload: Upload) throws(TicketError) {
        try query("DELETE FROM pieces WHERE upload = ?", .integer(upload.id)) { _ in }
    }

    package func attachment(of ticket: Int) throws(TicketError) -> StoredAttachment {
        _ = try self.ticket(ticket)
        let found = try query(
            """
            SELECT bytes, checksum, upload, (SELECT count(*) FROM pieces WHERE upload = a.upload)
            FROM attachments AS a WHERE ticket = ?
            """, .integer(ticket)
        ) { row in
            StoredAttachment(
                attachment: TicketAttachment(ticket: ticket, bytes: row.integer(0), checksum: row.text(1)),
                upload: row.integer(2),
                pieces: row.integer(3))
        }
        guard let attachment = found.first else { throw .noAttachment(ticket) }
        return attachment
    }

    package func piece(_ number: Int, of stored: StoredAttachment) throws(TicketError) -> [UInt8] {
        let found = try query(
            "SELECT bytes FROM pieces WHERE upload = ? AND number = ?", .integer(stored.upload), .integer(number)
        ) { $0.blob(0) }
        guard let bytes = found.first else { throw .database("piece \(number) of upload \(stored.upload) was replaced") }
        return bytes
    }

    // MARK: Statements

    private enum Value {
        case integer(Int), text(String), blob([UInt8])
    }

    /// The row that a statement is at.
    private struct Row {
        let statement: OpaquePointer?

        func integer(_ column: Int32) -> Int { Int(sqlite3_column_int64(statement, column)) }

        func text(_ column: Int32) -> String { String(decoding: blob(column), as: UTF8.self) }

        func blob(_ column: Int32) -> [UInt8] {
            let bytes = sqlite3_column_blob(statement, column)
            return Array(UnsafeRawBufferPointer(start: bytes, count: Int(sqlite3_column_bytes(statement, column))))
        }
    }

    @discardableResult
    private func query<Element>(_ sql: String, _ values: Value..., row: (Row) -> Element) throws(TicketError) -> [Element] {
        if connection == nil { try open() }
        var statement: OpaquePointer?
        defer { sqlite3_finalize(statement) }
        try check(sqlite3_prepare_v2(connection, sql, -1, &statement, nil), SQLITE_OK)
        // SQLite copies a value that is marked so.
        let copied = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
        for (index, value) in zip(Int32(1)..., values) {
            switch value {
            case .integer(let number): try check(sqlite3_bind_int64(statement, index, Int64(number)), SQLITE_OK)
            case .text(let text): try check(sqlite3_bind_text(statement, index, text, -1, copied), SQLITE_OK)
            case .blob(let bytes): try check(sqlite3_bind_blob(statement, index, bytes, Int32(bytes.count), copied), SQLITE_OK)
            }
        }
        var rows: [Element] = []
        while true {
            let status = sqlite3_step(statement)
            guard status == SQLITE_ROW else {
                try check(status, SQLITE_DONE)
                return rows
            }
            rows.append(row(Row(statement: statement)))
        }
    }

    private func transaction(_ body: () throws(TicketError) -> Void) throws(TicketError) {
        try query("BEGIN IMMEDIATE") { _ in }
        do {
            try body()
            try query("COMMIT") { _ in }
        } catch {
            _ = try? query("ROLLBACK") { _ in }
            throw error
        }
    }

    private func check(_ status: Int32, _ expected: Int32) throws(TicketError) {
        guard status != expected else { return }
        let message = String(cString: sqlite3_errmsg(connection))
        FileHandle.standardError.write(Data("database: \(message)\n".utf8))
        throw .database(message)
    }
}

/// Returns the time, such as 2026-01-31T12:00:00Z.
func utcNow() -> String {
    var seconds = time(nil)
    var parts = tm()
    gmtime_r(&seconds, &parts)
    var text = [CChar](repeating: 0, count: 32)
    let count = strftime(&text, text.count, "%Y-%m-%dT%H:%M:%SZ", &parts)
    return String(decoding: text[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
