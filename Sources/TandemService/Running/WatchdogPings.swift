internal import Tandem

/// Tells the service manager that the service is alive, by way of the hubs that serve: a hub that code holds, or whose loop is
/// broken, answers no more, and the manager starts the service anew.
struct WatchdogPings: Sendable {
    let notifier: Notifier
    /// How often the manager wants to hear it.
    let interval: Duration
    /// The hubs that must be alive.
    let hubs: @Sendable () -> [Hub]

    /// Goes on until the task is cancelled. On the supervising hub, which is thereby under watch too.
    func run() async throws {
        while true {
            for hub in hubs() {
                // One that has ended meanwhile is none that is stuck.
                _ = try? await hub.spawn(name: "watchdog ping") {}.value
            }
            try Task.checkCancellation()
            await notifier.send(.watchdog)
            // Half of it, as sd_watchdog_enabled(3) has it, so that one that comes late does no harm.
            try await sleep(for: interval / 2)
        }
    }
}
