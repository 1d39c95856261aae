internal import Logging
internal import Synchronization
internal import Tandem

/// Reads the configuration again, and applies what can change while the daemon runs.
///
/// It reads and checks all sources as at the start: the command line overrides the environment, which overrides the file. If
/// anything is wrong, all old values stay.
final class Reloader: Sendable {
    /// Applies a configuration that has been checked. Throws when it is refused; then nothing has changed.
    typealias Apply = @Sendable (Configured) async throws -> Void

    private let loader: ConfigurationLoader
    private let started: Configured
    private let current: Mutex<Configured>
    private let apply: Apply
    private let logger: Logger

    /// - Parameter started: The configuration at the start, as this loader gave it.
    init(_ loader: ConfigurationLoader, _ started: Configured, logger: Logger, apply: @escaping Apply) {
        self.loader = loader
        self.started = started
        current = Mutex(started)
        self.logger = logger
        self.apply = apply
    }

    /// Reloads, and returns one line about the result. On the supervising hub.
    func reload() async -> String {
        do {
            let loader = loader
            // The disk may be slow.
            let loaded = try await offload { try loader.load() }
            return try await take(loaded)
        } catch let error as ConfigurationError {
            for problem in error.problems {
                logger.error("configuration refused", metadata: ["place": "\(problem.place)", "problem": "\(problem.message)"])
            }
        } catch is CancellationError {
            return "the daemon stops"
        } catch {
            logger.error("configuration refused", metadata: ["problem": "\(error)"])
        }
        logger.warning("the old configuration stays in force")
        return "configuration refused, the old one stays in force"
    }

    private func take(_ new: Configured) async throws -> String {
        try await apply(new)
        let old = current.withLock { current in
            defer { current = new }
            return current
        }
        let changed = new.changes(from: old) { $0.effect != .restart }
        let waiting = new.changes(from: started) { $0.effect == .restart }
        logger.notice(
            "configuration reloaded",
            metadata: [
                "file": "\(new.file ?? "none")", "changed": "\(changed.isEmpty ? "nothing" : changed.joined(separator: ", "))",
            ])
        guard !waiting.isEmpty else { return "configuration reloaded" }
        logger.warning("these keys have changed and need a restart", metadata: ["keys": "\(waiting.joined(separator: ", "))"])
        return "configuration reloaded; a restart is needed for \(waiting.joined(separator: ", "))"
    }
}
