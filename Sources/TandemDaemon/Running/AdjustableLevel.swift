internal import Logging
internal import Synchronization

/// The least level that is logged, for all loggers that share it; a reload may change it. Any thread.
final class SharedLevel: Sendable {
    private let index: Atomic<Int>

    init(_ level: Logger.Level) { index = Atomic(Self.index(level)) }

    var value: Logger.Level {
        get { Logger.Level.allCases[index.load(ordering: .relaxed)] }
        set { index.store(Self.index(newValue), ordering: .relaxed) }
    }

    private static func index(_ level: Logger.Level) -> Int { Logger.Level.allCases.firstIndex(of: level)! }
}

/// A log handler whose level is the shared one, unless a logger is given one of its own.
struct AdjustableLevel: LogHandler {
    private var handler: any LogHandler
    private let shared: SharedLevel
    private var own: Logger.Level?

    init(_ handler: any LogHandler, _ level: SharedLevel) {
        self.handler = handler
        shared = level
        // What is too low is refused before it comes here.
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
