import CSQLite
import Foundation

/// A product, with its price in cents.
package struct Product: Codable, Equatable {
    package var id: Int
    package var name: String
    package var cents: Int
}

/// The products, in a file of SQLite. Each call opens the file, and waits while another process has locked it.
package final class Catalogue {
    private let file: String

    package init(file: String) { self.file = file }

    package func products() throws -> [Product] { try run("SELECT id, name, cents FROM products ORDER BY id").rows }

    package func product(_ id: Int) throws -> Product {
        guard let product = try run("SELECT id, name, cents FROM products WHERE id = ?", id).rows.first else {
            throw ShopError.notFound
        }
        return product
    }

    package func setPrice(of id: Int, cents: Int) throws {
        guard try run("UPDATE products SET cents = ? WHERE id = ?", cents, id).changes > 0 else { throw ShopError.notFound }
    }

    private func run(_ statement: String, _ values: Int...) throws -> (rows: [Product], changes: Int) {
        var database: OpaquePointer?
        defer { sqlite3_close(database) }
        try check(sqlite3_open_v2(file, &database, SQLITE_OPEN_READWRITE, nil), database)
        sqlite3_busy_timeout(database, 5_000)
        var prepared: OpaquePointer?
        defer { sqlite3_finalize(prepared) }
        try check(sqlite3_prepare_v2(database, statement, -1, &prepared, nil), database)
        for (index, value) in values.enumerated() { sqlite3_bind_int64(prepared, Int32(index + 1), Int64(value)) }
        var rows: [Product] = []
        while true {
            let status = sqlite3_step(prepared)
            guard status == SQLITE_ROW else {
                try check(status, database)
                return (rows, Int(sqlite3_changes(database)))
            }
            rows.append(
                Product(
                    id: Int(sqlite3_column_int64(prepared, 0)), name: String(cString: sqlite3_column_text(prepared, 1)),
                    cents: Int(sqlite3_column_int64(prepared, 2))))
        }
    }

    private func check(_ status: Int32, _ database: OpaquePointer?) throws {
        guard status != SQLITE_OK && status != SQLITE_DONE else { return }
        FileHandle.standardError.write(Data("catalogue: \(String(cString: sqlite3_errmsg(database)))\n".utf8))
        throw ShopError.unavailable
    }
}
