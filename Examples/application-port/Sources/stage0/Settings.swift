/// The settings, from the environment.
struct Settings {
    let port: UInt16
    let databaseFile: String
    let ratesURL: String
    let ratesTimeout: Int

    init(_ environment: [String: String]) throws {
        func number(_ name: String, _ fallback: Int, in range: ClosedRange<Int>) throws -> Int {
            guard let text = environment[name] else { return fallback }
            guard let value = Int(text), range ~= value else { throw SettingsError(description: "\(name): expected \(range)") }
            return value
        }
        port = UInt16(try number("TICKETS_HTTP_PORT", 8080, in: 0...65_535))
        databaseFile = environment["TICKETS_DATABASE_FILE"] ?? "tickets.sqlite"
        ratesURL = environment["TICKETS_RATES_URL"] ?? "http://127.0.0.1:8090/rates"
        ratesTimeout = try number("TICKETS_RATES_TIMEOUT_MS", 2_000, in: 1...60_000)
    }
}

/// A value that is out of range.
struct SettingsError: Error, CustomStringConvertible {
    let description: String
}
