import CSQLite
import Foundation
import Tandem
import TandemDaemon
import TandemPatch
import TandemTesting
import Testing

@testable import shop

/// What needs no server: SQLite is a file, and nobody listens where PostgreSQL and Redis should be. `scripts/shop` starts both, and checks
/// the other endpoints.
@Suite(.timeLimit(.minutes(1)))
struct ShopTests {
    /// As the daemon does it: the old half calls libc.
    init() throws { try TandemPatch.install() }

    @Test func `products come from the catalogue when Redis is down`() async throws {
        try await withShop { client, _ in
            let all = try await client.get("/products")
            #expect(all.text == #"[{"cents":1250,"id":1,"name":"Bicycle bell"},{"cents":695,"id":2,"name":"Inner tube"}]"#)
            let one = try await client.get("/products/2")
            #expect(one.text == #"{"cents":695,"id":2,"name":"Inner tube"}"#)
        }
    }

    @Test func `a handler that waits for a locked catalogue does not hold the others`() async throws {
        try await withShop { client, catalogue in
            try catalogue.run("BEGIN EXCLUSIVE")
            async let waiting = client.get("/products")
            let other = try await client.get("/partners/deliveries/7")
            #expect(other.text == "tomorrow")
            try catalogue.run("COMMIT")
            #expect(try await waiting.status == .ok)
        }
    }

    @Test func `a new price is the price`() async throws {
        try await withShop { client, _ in
            let changed = try await client.execute(
                .put, "/products/2/price", headers: [.contentType: "application/json"], body: #"{"cents":700}"#)
            #expect(changed.status == .noContent)
            let product = try await client.get("/products/2")
            #expect(product.text == #"{"cents":700,"id":2,"name":"Inner tube"}"#)
        }
    }

    @Test(arguments: ["/orders/1", "/async/orders/1", "/slow-report"])
    func `without PostgreSQL the answer is 503`(path: String) async throws {
        try await withShop { client, _ in
            let answer = try await client.get(path)
            #expect(answer.status == .serviceUnavailable)
            #expect(answer.text == "try again later\n")
        }
    }

    @Test(arguments: [
        (#"{"customer":"","product":1,"quantity":1}"#, "customer"), (#"{"customer":"Ada","product":1,"quantity":0}"#, "quantity"),
        (#"{"customer":"Ada","product":"1 OR 1=1","quantity":1}"#, "product"),
        (#"{"customer":"Ada\u0000","product":1,"quantity":1}"#, "customer"), (#"{"customer":"Ada","product":1}"#, "quantity"),
    ])
    func `a wrong order is refused by its field`(body: String, field: String) async throws {
        try await withShop { client, _ in
            let answer = try await client.post(
                "/orders", headers: [.contentType: "application/json"], body: .bytes(Array(body.utf8)))
            #expect(answer.status == .badRequest)
            #expect(answer.text.hasPrefix(field), "\(answer.text)")
        }
    }

    @Test(arguments: ["/products/2/price?currency=CHF", "/async/products/2/price?currency=CHF"])
    func `both styles give the same price and the same error`(path: String) async throws {
        // The partners have a server of their own, on the same hub.
        try await withTestServer(Shop.makeRouter(), .live) { partners in
            let settings = ["partners.url": ["http://127.0.0.1:\(partners.port)/partners"], "fetch.keep-alive-ms": ["0"]]
            try await withShop(settings) { client, _ in
                let price = try await client.get(path)
                #expect(price.text == #"{"currency":"CHF","hundredths":660}"#)
                let unknown = try await client.get(path.replacing("CHF", with: "XXX"))
                #expect(unknown.status == .serviceUnavailable)
            }
        }
    }
}

/// Runs the shop with a catalogue of its own, and without PostgreSQL and Redis.
private func withShop(
    _ settings: [String: [String]] = [:], _ body: @Sendable (TestClient, CatalogueFile) async throws -> Void
) async throws {
    let catalogue = try CatalogueFile()
    let down = ["catalogue.file": [catalogue.path], "database.connection": ["host=127.0.0.1 port=1"], "redis.port": ["1"]]
    let router = try await Shop.makeRouter(settings: down.merging(settings) { $1 })
    try await withTestServer(router) { client in try await body(client, catalogue) }
}

/// A catalogue in a temporary file, open as by another process.
private final class CatalogueFile: @unchecked Sendable {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("shop-\(UUID().uuidString).sqlite").path
    private var database: OpaquePointer?

    init() throws {
        try #require(sqlite3_open(path, &database) == SQLITE_OK)
        try run("CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT NOT NULL, cents INTEGER NOT NULL)")
        try run("INSERT INTO products VALUES (1, 'Bicycle bell', 1250), (2, 'Inner tube', 695)")
    }

    deinit {
        sqlite3_close(database)
        try? FileManager.default.removeItem(atPath: path)
    }

    func run(_ statement: String) throws { try #require(sqlite3_exec(database, statement, nil, nil, nil) == SQLITE_OK) }
}
