internal import Logging
internal import Tandem

/// The hooks that run after a server has stopped and before its hubs stop. The last added one runs first.
struct ShutdownHooks: Sendable {
    enum Body: Sendable {
        case async(@Sendable () async throws -> Void)
        case blocking(@Sendable () throws -> Void)
    }

    private struct Hook: Sendable {
        let name: GreenThreadName
        let body: Body

        func run() async throws {
            switch body {
            case .async(let body): try await body()
            case .blocking(let body): try await Tandem.blocking(name: name, line: 0) { try body() }
            }
        }
    }

    private var hooks: [Hook] = []
    private var wereTaken = false

    /// Adds a hook. Returns false when the hooks have been taken already.
    mutating func add(_ name: GreenThreadName, _ body: Body) -> Bool {
        guard !wereTaken else { return false }
        hooks.append(Hook(name: name, body: body))
        return true
    }

    /// Returns the hooks to run, and removes them: a further call returns none.
    mutating func take() -> ShutdownHooks {
        let taken = self
        hooks = []
        wereTaken = true
        return taken
    }

    /// Runs the hooks on the caller's hub, even if the caller's task is cancelled. After `timeout` it cancels the running hook.
    /// Each later hook still runs up to its first wait, where it is cancelled.
    func run(within timeout: Duration, _ logger: Logger) async -> StopSummary {
        guard !hooks.isEmpty else { return StopSummary() }
        return await withCancellationShield {
            var summary = StopSummary()
            let deadline = Deadline.after(timeout)
            for hook in hooks.reversed() {
                do {
                    try await withTimeout(deadline.remaining ?? .zero) { try await hook.run() }
                } catch {
                    let isLate = deadline.remaining == .zero
                    if isLate { summary.hooksTimedOut += 1 } else { summary.hooksFailed += 1 }
                    logger.error(
                        isLate ? "shutdown hook ran out of time" : "shutdown hook failed",
                        metadata: ["hook": "\(hook.name)", "error": "\(error)"])
                }
            }
            return summary
        }
    }
}
