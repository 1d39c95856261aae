internal import Synchronization
internal import Tandem

/// A lease that viewers renew. What costs time is recorded only while it lasts. Any thread may ask whether it does.
final class Watch: Sendable {
    private struct Lease {
        let began: ContinuousClock.Instant
        var ends: ContinuousClock.Instant
    }

    /// nil while nobody watches.
    private let lease = Mutex<Lease?>(nil)
    /// Whether there is a lease. Changed under the lock.
    private let on = Atomic<Bool>(false)

    /// Whether the lease lasts.
    var isOn: Bool { on.load(ordering: .relaxed) }

    /// The time for which it has lasted; zero if it does not.
    var age: Duration { lease.withLock { $0.map { ContinuousClock.now - $0.began } } ?? .zero }

    /// Begins the lease or prolongs it, so that it lasts for `length` from now on. Call it on a hub.
    ///
    /// - Parameters:
    ///   - onBegin: Called if the lease begins, before this returns.
    ///   - onEnd: Called when the lease that begins here has ended.
    func renew(for length: Duration, onBegin: () -> Void = {}, onEnd: @escaping @Sendable () -> Void) {
        let now = ContinuousClock.now
        let begins = lease.withLock { lease in
            let begins = lease == nil
            lease = Lease(began: lease?.began ?? now, ends: max(lease?.ends ?? now, now + length))
            on.store(true, ordering: .relaxed)
            return begins
        }
        guard begins else { return }
        onBegin()
        spawn(name: "watch") { [self] in
            while let left = remaining() {
                // Throws when the hub stops.
                do { try await sleep(for: left) } catch { lease.withLock { $0?.ends = .now } }
            }
            onEnd()
        }
    }

    /// Returns the time until the end of the lease, or ends it.
    private func remaining() -> Duration? {
        lease.withLock { lease in
            let now = ContinuousClock.now
            if let lease, now < lease.ends { return lease.ends - now }
            lease = nil
            on.store(false, ordering: .relaxed)
            return nil
        }
    }
}
