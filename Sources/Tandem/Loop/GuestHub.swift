internal import CTandem
internal import Glibc

/// A hub that has no loop: it runs in another event loop, which watches `fd` and calls `turn`.
///
///     let guest = try GuestHub()
///     loop.watch(guest.fd, forReading: true) { guest.turn() }
///     guest.hub.spawn { ... }          // runs in the turns, on the loop's thread
///     ...
///     guest.stop()
///
/// A guest hub belongs to the thread that created it: `turn` and `stop` must be called there. `Hub.current` is the hub during a
/// turn, and nil between turns; then work is handed to the hub as from any other thread.
public final class GuestHub {
    /// The hub, for spawning.
    public let hub: Hub
    /// The file descriptor that the loop must watch for reading, level- or edge-triggered. It becomes readable when a turn has
    /// something to do, also when a deadline has passed. The hub owns it: other code must not read, write or close it.
    public let fd: CInt
    private let timer: CInt
    private let thread = pthread_self()
    private var armed = UInt64.max
    // Until `init` has succeeded, there is nothing to stop.
    private var hasStopped = true

    /// Creates a hub whose turns run on the calling thread.
    ///
    /// - Throws: `TandemError`: `invalidArgument` for a poller that cannot be watched (`poll`), for a virtual clock, or for an
    ///   unknown name in `TANDEM_HUB_POLLER`; `systemCall` if the kernel refuses a resource that a hub needs.
    public init(_ configuration: HubConfiguration = HubConfiguration()) throws(TandemError) {
        guard configuration.clock == .monotonic else {
            throw TandemError(.invalidArgument, "a guest hub needs the real clock: leave HubConfiguration.clock at .monotonic")
        }
        hub = try Hub(configuration: configuration)
        guard let watchDescriptor = hub.registrations.poller.watchDescriptor else {
            throw TandemError(
                .invalidArgument,
                "a guest hub needs a poller that can be watched: set HubConfiguration.poller to .epoll, not .\(configuration.poller)"
            )
        }
        fd = watchDescriptor
        timer = tandem_timerfd()
        guard timer >= 0 else { throw .systemCall("timerfd_create", -timer) }
        do throws(TandemError) {
            try hub.registrations.poller.add(timer, events: EPOLLIN.rawValue | EPOLLET.rawValue, token: Registrations.nobody)
        } catch {
            close(timer)
            throw error
        }
        do throws(TandemError) { try GlobalExecutor.shared.install([hub]) } catch {
            close(timer)
            throw error
        }
        hub.loop.startAsGuest()
        hasStopped = false
        prepareNextTurn()
    }

    /// Runs jobs that are ready, up to `HubConfiguration.jobsPerTurn`, and timers that are due. Never waits.
    ///
    /// Code that runs in a turn must not call `turn`.
    public func turn() {
        precondition(pthread_equal(thread, pthread_self()) != 0, "GuestHub.turn must be called on the thread that made the hub")
        guard !hasStopped else { return }
        hub.loop.turnAsGuest()
        prepareNextTurn()
    }

    /// Cancels the tasks that were spawned and runs the hub until they have ended, at most for `HubConfiguration.stopGrace`. The
    /// loop is blocked meanwhile. A second call does nothing.
    ///
    /// The loop must stop watching `fd` first: it is closed with the last reference to the hub.
    public func stop() {
        precondition(pthread_equal(thread, pthread_self()) != 0, "GuestHub.stop must be called on the thread that made the hub")
        guard !hasStopped else { return }
        hasStopped = true
        hub.requestStop()
        hub.loop.stopAsGuest()
        close(timer)
    }

    deinit { precondition(hasStopped, "a GuestHub was dropped without stop()") }

    /// Makes sure that `fd` becomes readable when other threads hand work to the hub, and when the next deadline passes.
    private func prepareNextTurn() {
        let next = hub.loop.prepareSleepAsGuest()
        guard next != armed else { return }
        armed = next
        tandem_timerfd_arm(timer, next == .max ? 0 : next)
    }
}
