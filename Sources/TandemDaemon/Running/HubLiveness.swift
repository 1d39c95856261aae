internal import Synchronization
internal import Tandem

/// A liveness check of the serving hubs: it gives each hub a small job at intervals, and records which hubs have not run theirs.
///
/// Both `/livez` and the watchdog of systemd use it: a hub is dead when it has run no job for `deadAfter`, because code
/// holds it or because its loop is broken.
final class HubLiveness: Sendable {
    private let deadAfter: Duration
    private let unanswered = Mutex<[ObjectIdentifier: (hub: Hub, since: ContinuousClock.Instant)]>([:])

    /// - Parameter deadAfter: How long a hub may run no job before it is dead.
    init(deadAfter: Duration) { self.deadAfter = deadAfter }

    /// The hubs that are dead. Any thread.
    func deadHubs() -> [Hub] {
        let now = ContinuousClock.now
        return unanswered.withLock { $0.values.filter { now - $0.since >= deadAfter }.map(\.hub) }
    }

    /// Asks the hubs in rounds, until the task is cancelled. On the supervising hub, which this watches, too.
    ///
    /// - Parameters:
    ///   - interval: The longest time between two rounds; nil for a sixth of `deadAfter`.
    ///   - allAnswered: Called after each round in which every hub has run its job. A hub that has ended counts as answered.
    func watch(
        _ hubs: @Sendable () -> [Hub], atMost interval: Duration?, allAnswered: @Sendable () async -> Void
    ) async throws {
        let period = min(interval ?? .seconds(3_600), deadAfter / 6)
        while true {
            for hub in hubs() { ask(hub) }
            try await sleep(for: period)
            if unanswered.withLock({ $0.isEmpty }) { await allAnswered() }
        }
    }

    /// Gives a hub its job, unless it has not run the last one yet.
    private func ask(_ hub: Hub) {
        let key = ObjectIdentifier(hub)
        let now = ContinuousClock.now
        let isNew = unanswered.withLock { unanswered in
            guard unanswered[key] == nil else { return false }
            unanswered[key] = (hub, now)
            return true
        }
        guard isNew else { return }
        Hub.current!.spawn(name: "liveness") { [self] in
            // A hub that has ended throws here; it is not one that is stuck.
            _ = try? await hub.spawn(name: "liveness") {}.value
            unanswered.withLock { _ = $0.removeValue(forKey: key) }
        }
    }
}
