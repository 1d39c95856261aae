import Logging
import Synchronization
import TandemHTTP

/// Keeps what is logged.
final class RecordingLog: Sendable {
    struct Line: Sendable {
        var level: String
        var message: String
        var metadata: [String: String]
    }
    private let recorded = Mutex<[Line]>([])

    /// Without the line that every server begins with.
    var lines: [Line] { recorded.withLock { $0.filter { !$0.message.hasPrefix("listening on ") } } }

    func lines(_ message: String) -> [Line] { recorded.withLock { $0.filter { $0.message == message } } }

    func add(_ line: Line) { recorded.withLock { $0.append(line) } }

    var logger: Logger {
        Logger(label: "test") { _ in Handler(log: self) }
    }

    private struct Handler: LogHandler {
        let log: RecordingLog
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            log.add(
                Line(
                    level: "\(event.level)", message: "\(event.message)", metadata: (event.metadata ?? [:]).mapValues { "\($0)" })
            )
        }
    }
}

/// Keeps what was served.
final class RecordingAccessLog: AccessLog {
    private let recorded = Mutex<[AccessLogEntry]>([])

    var entries: [AccessLogEntry] { recorded.withLock { $0 } }

    func record(_ entry: AccessLogEntry) { recorded.withLock { $0.append(entry) } }

    func entries(_ target: String) -> [AccessLogEntry] { entries.filter { $0.target == target } }
}
