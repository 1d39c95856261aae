internal import Logging
internal import Synchronization
internal import Tandem

/// Reads the configuration anew, and puts into force what can change while the service runs.
///
/// It is read and checked as at the start, the command line still over the environment over the file. When anything is wrong
/// with it, the one before stays in force, all of it.
final class Reloader: Sendable {
    /// What is done with a configuration that is good. Throws when the server refuses it; then nothing has changed.
    typealias Apply = @Sendable (ServiceConfiguration) throws -> Void

    private let loader: ConfigurationLoader
    private let started: ServiceConfiguration
    private let current: Mutex<ServiceConfiguration>
    private let apply: Apply
    private let logger: Logger

    /// - Parameter configuration: What the service was started with, by this loader.
    init(_ loader: ConfigurationLoader, _ configuration: ServiceConfiguration, logger: Logger, apply: @escaping Apply) {
        self.loader = loader
        started = configuration
        current = Mutex(configuration)
        self.logger = logger
        self.apply = apply
    }

    /// Reloads; returns what there is to say of it in one line. On the supervising hub.
    func reload() async -> String {
        do {
            let loader = loader
            // The disk may be slow.
            let loaded = try await offload { try loader.load() }
            return try take(loaded)
        } catch let error as ConfigurationError {
            for problem in error.problems {
                logger.error("configuration refused", metadata: ["place": "\(problem.place)", "problem": "\(problem.message)"])
            }
        } catch {
            logger.error("configuration refused", metadata: ["problem": "\(error)"])
        }
        logger.warning("the configuration from before stays in force")
        return "configuration refused, the one from before is in force"
    }

    private func take(_ loaded: ConfigurationLoader.Loaded) throws -> String {
        let new = loaded.configuration
        try apply(new)
        let old = current.withLock { current in
            defer { current = new }
            return current
        }
        let changed = Setting.all.filter { !$0.needsRestart && $0.render(new) != $0.render(old) }.map(\.key)
        let waiting = Setting.all.filter { $0.needsRestart && $0.render(new) != $0.render(started) }.map(\.key)
        logger.notice(
            "configuration reloaded",
            metadata: [
                "file": "\(loaded.file ?? "none")", "changed": "\(changed.isEmpty ? "nothing" : changed.joined(separator: ", "))",
            ])
        guard !waiting.isEmpty else { return "configuration reloaded" }
        logger.warning("these keys have changed and need a restart", metadata: ["keys": "\(waiting.joined(separator: ", "))"])
        return "configuration reloaded; a restart is needed for \(waiting.joined(separator: ", "))"
    }
}

extension Setting {
    /// Whether a change comes into force at the next start only: where the service listens, what it tells about itself, and what
    /// its hubs are.
    var needsRestart: Bool {
        guard key != "hub.stall-threshold-ms" else { return false }
        return Self.fixed.contains(key) || ["hub.", "admin.", "trace."].contains { key.hasPrefix($0) }
    }

    private static let fixed: Set = [
        "http.host", "http.port", "http.listen", "http.hubs", "http.backlog", "http.trust-request-id", "http.return-request-id",
        "log.format", "log.access-format",
    ]
}
