internal import Logging
internal import Synchronization

/// The lowest level that is logged, shared by all loggers. A reload may change it. Any thread.
final class SharedLevel: Sendable {
    private let index: Atomic<Int>

    init(_ level: Logger.Level) { index = Atomic(Self.index(level)) }

    var value: Logger.Level {
        get { Logger.Level.allCases[index.load(ordering: .relaxed)] }
        set { index.store(Self.index(newValue), ordering: .relaxed) }
    }

    private static func index(_ level: Logger.Level) -> Int { Logger.Level.allCases.firstIndex(of: level)! }
}

/// A log handler that uses the shared level, unless its logger sets another level.
struct AdjustableLevel: LogHandler {
    private var handler: any LogHandler
    private let shared: SharedLevel
    private var own: Logger.Level?

    init(_ handler: any LogHandler, _ level: SharedLevel) {
        self.handler = handler
        shared = level
        // The logger drops entries below the level before they reach this handler.
        self.handler.logLevel = .trace
    }

    var logLevel: Logger.Level {
        get { own ?? shared.value }
        set { own = newValue }
    }

    var metadata: Logger.Metadata {
        get { handler.metadata }
        set { handler.metadata = newValue }
    }

    var metadataProvider: Logger.MetadataProvider? {
        get { handler.metadataProvider }
        set { handler.metadataProvider = newValue }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { handler[metadataKey: key] }
        set { handler[metadataKey: key] = newValue }
    }

    func log(event: LogEvent) { handler.log(event: event) }
}
