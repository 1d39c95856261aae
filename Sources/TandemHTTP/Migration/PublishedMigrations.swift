internal import Synchronization
internal import Tandem

/// The last known state of one hub's migrating routes, which other threads may read. A hub that code holds does not answer, and its
/// counts must not go back meanwhile.
final class PublishedMigrations: Sendable {
    private struct State {
        var snapshot: HubMigrations.Snapshot?
        /// The answer to an inquiry that the hub has not answered; a hub has at most one.
        var awaited: Event<Void>?
    }

    private let state = Mutex(State())

    /// The last published state.
    var snapshot: HubMigrations.Snapshot? { state.withLock { $0.snapshot } }

    /// Asks the hub by `ask` to publish its state. Returns an event that is sent when it has.
    func refresh(asking ask: () -> Void) -> Event<Void> {
        let (awaited, isNew) = state.withLock { state in
            if let awaited = state.awaited { return (awaited, false) }
            let awaited = Event<Void>()
            state.awaited = awaited
            return (awaited, true)
        }
        if isNew { ask() }
        return awaited
    }

    func publish(_ snapshot: HubMigrations.Snapshot) {
        let awaited = state.withLock { state in
            state.snapshot = snapshot
            return state.awaited.take()
        }
        awaited?.send(())
    }
}

extension MigrationReport {
    init(_ routes: [MigratingRoute], _ configuration: MigrationConfiguration, _ hubs: [HubMigrations.Snapshot], silent: Int) {
        self.init(
            isEnabled: configuration.isEnabled,
            routes: routes.enumerated().map { index, route in
                var tally = MigrationTally()
                for hub in hubs { tally.add(hub.tallies[index]) }
                return Route(route, configuration.migration(of: route), tally)
            }, inFlight: hubs.reduce(0) { $0 + $1.inFlight }, hubsWithoutAnswer: silent)
    }
}
