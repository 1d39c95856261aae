import TandemDaemon

extension Tickets {
    /// The keys of this service. The port is the daemon's own key `http.port`.
    static let settings: [Setting] = [
        .text(
            "database.file", default: "tickets.sqlite", expecting: "a path", note: "The tickets: a file of SQLite."
        ) { !$0.isEmpty },
        .text(
            "rates.url", default: "http://127.0.0.1:8090/rates", expecting: "a URL", note: "The exchange."
        ) { $0.hasPrefix("http") },
        .integer(
            "rates.timeout-ms", default: 2_000, in: 1...60_000, unit: "milliseconds",
            note: "How long the exchange may take. 2000: after that a customer reloads the page."),
    ]
}
