public import Logging
internal import Synchronization

/// Something that a test's server has logged.
public struct TestLogEntry: Sendable, CustomStringConvertible {
    /// How grave it is.
    public let level: Logger.Level
    /// The text.
    public let message: String
    /// What it is about, "error" say.
    public let metadata: [String: String]

    /// A line.
    public var description: String {
        "\(level): \(message) " + metadata.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
    }
}

/// Keeps what a server logs.
final class TestLog: Sendable {
    private struct State {
        var entries: [TestLogEntry] = []
        /// Errors that no response has been given yet.
        var unclaimed: [TestLogEntry] = []
    }
    private let state = Mutex(State())

    var entries: [TestLogEntry] { state.withLock { $0.entries } }

    /// Takes the errors that requests for `target` have run into since they were last asked for.
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

    var logger: Logger { Logger(label: "tandem.test") { _ in Handler(log: self) } }

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
