internal import Logging
internal import Tandem

/// What is to be done when a server has stopped, before its hubs do: newest first.
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
            case .blocking(let body): try await Tandem.blocking(name: name) { try body() }
            }
        }
    }

    private var hooks: [Hook] = []
    private var wereTaken = false

    /// Returns whether it came in time.
    mutating func add(_ name: GreenThreadName, _ body: Body) -> Bool {
        guard !wereTaken else { return false }
        hooks.append(Hook(name: name, body: body))
        return true
    }

    /// What is to be run, once.
    mutating func take() -> ShutdownHooks {
        let taken = self
        hooks = []
        wereTaken = true
        return taken
    }

    /// Runs them on the caller's hub, whether its task is cancelled or not. When the time is over the one that runs is
    /// cancelled, and those after it at their first wait: each may still do what takes none.
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
