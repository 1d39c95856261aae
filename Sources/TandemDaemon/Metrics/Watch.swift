internal import Synchronization
internal import Tandem

/// Whether somebody watches: a lease that each reader renews. Any thread may read it.
final class Watch: Sendable {
    private struct State {
        var began = ContinuousClock.now
        var ends = ContinuousClock.now
    }

    private let on = Atomic<Bool>(false)
    private let state = Mutex(State())

    /// Whether somebody watches.
    var isOn: Bool { on.load(ordering: .relaxed) }

    /// The time for which somebody has watched; zero if nobody does.
    var age: Duration { isOn ? state.withLock { ContinuousClock.now - $0.began } : .zero }

    /// Begins the watch or prolongs it, so that it lasts for `lease` from now on. `whenOver` is called once it is over; a renewal does not
    /// call its own. Call it on a hub.
    func renew(for lease: Duration, whenOver: @escaping @Sendable () -> Void) {
        let now = ContinuousClock.now
        state.withLock { $0.ends = max($0.ends, now + lease) }
        guard !on.exchange(true, ordering: .relaxed) else { return }
        state.withLock { $0.began = now }
        spawn(name: "watch") { [self] in
            defer {
                on.store(false, ordering: .relaxed)
                whenOver()
            }
            while case let left = state.withLock({ $0.ends }) - .now, left > .zero { try await sleep(for: left) }
        }
    }
}
