import TandemDaemon

extension Shop {
    /// The keys of this service. `shop settings` prints them with the daemon's.
    static let settings: [Setting] = [
        .text(
            "catalogue.file", default: "catalogue.sqlite", expecting: "a path", note: "The products: a file of SQLite."
        ) { !$0.isEmpty },
        .text(
            "database.connection", default: "", expecting: "a connection string of libpq",
            note: "The stock and the orders, in PostgreSQL. By default PGHOST and its kin say where.", isSecret: true),
        .integer(
            "database.connections", default: 100, in: 1...10_000, unit: "connections",
            note: "Connections to PostgreSQL, and as many to Redis. 100, because a slow query keeps one; further requests wait."),
        .text("redis.host", default: "127.0.0.1", expecting: "a host", note: "The cache of products.") { !$0.isEmpty },
        .integer("redis.port", default: 6_379, in: 1...65_535, note: "The cache of products."),
        .text(
            "partners.url", default: "http://127.0.0.1:8080/partners", expecting: "a URL",
            note: "The bank, the payment service and the courier. By default the shop's own stand-ins."
        ) { $0.hasPrefix("http") },
    ]
}
