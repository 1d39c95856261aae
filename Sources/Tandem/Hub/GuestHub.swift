internal import CTandem
internal import Glibc

/// A hub that has no loop of its own: it sits on the event loop of somebody else, which watches `fd` and calls `turn`.
///
///     let guest = try GuestHub()
///     loop.watch(guest.fd, forReading: true) { guest.turn() }
///     guest.hub.spawn { ... }          // runs in the turns, on the loop's thread
///     ...
///     guest.stop()
///
/// Belongs to the thread that made it: `turn` and `stop` are called there. `Hub.current` is the hub during a turn, and nil
/// between turns; then work gets onto it as from any other thread.
public final class GuestHub {
    /// The hub.
    public let hub: Hub
    /// What the loop watches for reading, level- or edge-triggered: it becomes readable when a turn has something to do, also
    /// when a deadline has passed. Owned by the hub; never read, written or closed by others.
    public let fd: CInt
    private let timer: CInt
    private let thread = pthread_self()
    private var armed = UInt64.max
    private var hasStopped = false

    /// Makes the calling thread the hub's, during its turns.
    ///
    /// - Throws: `TandemError`: `invalidArgument` for a poller that cannot be watched (`poll`) or a virtual clock; `systemCall`
    ///   when the kernel refuses what a hub needs.
    public init(_ configuration: HubConfiguration = HubConfiguration()) throws(TandemError) {
        guard configuration.clock == .monotonic else {
            throw TandemError(.invalidArgument, "a guest hub goes by the real clock: leave HubConfiguration.clock at .monotonic")
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
        tandem_pulse_enter(hub.pulse)
        hub.enter()
        hub.letGo()
        prepareNextTurn()
    }

    /// Runs what is ready, within the hub's budget a turn, and what is due; never waits.
    ///
    /// What it runs must not call `turn` again.
    public func turn() {
        precondition(pthread_equal(thread, pthread_self()) != 0, "a guest hub's turns are made on the thread that made it")
        guard !hasStopped else { return }
        tandem_inbox_finish_sleep(hub.inbox)
        tandem_pulse_enter(hub.pulse)
        hub.take()
        hub.poll(nanoseconds: 0)
        hub.runTurn()
        hub.letGo()
        prepareNextTurn()
    }

    /// Cancels what was spawned and turns the hub until it has unwound, at most `stopGrace`. The second call does nothing.
    ///
    /// Blocks the loop meanwhile. Stop watching `fd` first; it is closed with the last reference to the hub.
    public func stop() {
        precondition(pthread_equal(thread, pthread_self()) != 0, "a guest hub is stopped on the thread that made it")
        guard !hasStopped else { return }
        hasStopped = true
        hub.requestStop()
        hub.take()
        hub.unwind()
        hub.leave()
        close(timer)
    }

    deinit { precondition(hasStopped, "a GuestHub was dropped without stop()") }

    /// From here on, whoever brings work makes `fd` readable, and so does the time.
    private func prepareNextTurn() {
        let idle = hub.willPoll(hub.hasMore ? 0 : hub.timeToNextTimer())
        if idle == 0 || !tandem_inbox_prepare_sleep(hub.inbox) {
            tandem_eventfd_add(hub.registrations.poller.wakeDescriptor)
        }
        // What the hub does when it is idle bounds its sleep too.
        let next = idle < 0 ? .max : min(hub.timers.earliest, tandem_monotonic_nanoseconds() + UInt64(idle))
        guard next != armed else { return }
        armed = next
        tandem_timerfd_arm(timer, next == .max ? 0 : next)
    }
}
