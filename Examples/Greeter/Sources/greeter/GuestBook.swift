import Synchronization
import Tandem
import TandemDaemon

/// The guests, in memory: a stand-in for your database. Both styles use it.
final class GuestBook: Sendable {
    private let config: ConfigReader
    private let guests = Mutex<[String]>([])

    init(_ config: ConfigReader) { self.config = config }

    /// Returns the greeting of a guest. Blocking, as if it asked a database by a driver that nobody has ported yet.
    func greeting(for guest: String) throws -> String {
        try sleep(for: .milliseconds(5))
        return "\(try config.requiredString(forKey: "greeting.salutation")), \(guest)!"
    }

    /// Writes a guest into the book. Async, as if it used a driver that has been ported.
    func sign(_ guest: String) async throws {
        try await sleep(for: .milliseconds(5))
        let limit = try config.requiredInt(forKey: "guests.limit")
        guests.withLock { guests in
            guests.append(guest)
            guests.removeFirst(max(0, guests.count - limit))
        }
    }

    /// Returns the newest guests, at most `limit`, the newest first.
    func newest(_ limit: Int) -> [String] { guests.withLock { Array($0.suffix(limit).reversed()) } }
}
