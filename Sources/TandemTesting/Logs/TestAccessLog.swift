internal import Synchronization
public import TandemHTTP

/// An access log in memory, for `HTTPServerConfiguration.accessLog`.
///
/// The server records a request after it has sent the answer, so a client may have the answer before the entry is there.
public final class TestAccessLog: AccessLog {
    private let recorded = Mutex<[AccessLogEntry]>([])

    /// Creates an empty log.
    public init() {}

    /// All entries so far.
    public var entries: [AccessLogEntry] { recorded.withLock { $0 } }

    /// Returns the entries of requests with this target.
    public func entries(_ target: String) -> [AccessLogEntry] { entries.filter { $0.target == target } }

    /// Adds an entry.
    public func record(_ entry: AccessLogEntry) { recorded.withLock { $0.append(entry) } }
}
