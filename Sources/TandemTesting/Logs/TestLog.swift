public import Logging
internal import Synchronization

/// One line of a server's log, as a test sees it.
public struct TestLogEntry: Sendable, CustomStringConvertible {
    /// The level.
    public let level: Logger.Level
    /// The message.
    public let message: String
    /// The metadata of the line and of its logger.
    public let metadata: [String: String]

    /// The entry on one line.
    public var description: String {
        "\(level): \(message) " + metadata.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
    }
}

/// A log in memory. Give its `logger` to the code under test, and read its `entries`.
public final class TestLog: Sendable {
    private struct State {
        var entries: [TestLogEntry] = []
        /// Errors that no response has claimed yet.
        var unclaimed: [TestLogEntry] = []
    }
    private let state = Mutex(State())

    /// Creates an empty log.
    public init() {}

    /// A logger that writes to this log, at every level.
    public var logger: Logger { Logger(label: "tandem.test") { _ in Handler(log: self) } }

    /// All entries so far.
    public var entries: [TestLogEntry] { state.withLock { $0.entries } }

    /// Returns the entries with this message.
    public func entries(_ message: String) -> [TestLogEntry] { entries.filter { $0.message == message } }

    /// Takes the errors logged for requests with this target since the last call.
    func claimErrors(of target: String) -> [TestLogEntry] {
        state.withLock { state in
            let mine = state.unclaimed.filter { $0.metadata["http.target"] == target }
            state.unclaimed.removeAll { $0.metadata["http.target"] == target }
            return mine
        }
    }

    private func add(_ entry: TestLogEntry) {
        state.withLock { state in
            state.entries.append(entry)
            if entry.level >= .error { state.unclaimed.append(entry) }
        }
    }

    private struct Handler: LogHandler {
        let log: TestLog
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let all = metadata.merging(event.metadata ?? [:]) { _, new in new }
            log.add(TestLogEntry(level: event.level, message: "\(event.message)", metadata: all.mapValues { "\($0)" }))
        }
    }
}
