internal import CTandem
internal import Glibc

/// A poller that uses epoll(7).
final class EpollPoller: Poller {
    static let eventsPerWait = 256

    let wakeDescriptor: CInt
    private let epoll: CInt
    private let events: UnsafeMutablePointer<epoll_event>

    init() throws(TandemError) {
        epoll = epoll_create1(CInt(EPOLL_CLOEXEC))
        guard epoll >= 0 else { throw .systemCall("epoll_create1", errno) }
        wakeDescriptor = tandem_eventfd()
        guard wakeDescriptor >= 0 else {
            close(epoll)
            throw .systemCall("eventfd", -wakeDescriptor)
        }
        events = .allocate(capacity: EpollPoller.eventsPerWait)
        // Edge-triggered: the counter is never read.
        try add(wakeDescriptor, events: EPOLLIN.rawValue | EPOLLET.rawValue, token: Registrations.nobody)
    }

    deinit {
        events.deallocate()
        close(wakeDescriptor)
        close(epoll)
    }

    /// The epoll instance, which can itself be watched.
    var watchDescriptor: CInt? { epoll }

    func add(_ fd: CInt, events: UInt32, token: UInt64) throws(TandemError) {
        switch tandem_epoll_control(epoll, EPOLL_CTL_ADD, fd, events, token) {
        case 0: break
        case EPERM: throw .alwaysReady(fd)
        case let failed: throw .systemCall("epoll_ctl", failed)
        }
    }

    func modify(_ fd: CInt, events: UInt32, token: UInt64) throws(TandemError) {
        let failed = tandem_epoll_control(epoll, EPOLL_CTL_MOD, fd, events, token)
        guard failed == 0 else { throw .systemCall("epoll_ctl", failed) }
    }

    func remove(_ fd: CInt) { _ = tandem_epoll_control(epoll, EPOLL_CTL_DEL, fd, 0, 0) }

    /// Does nothing: the kernel reports each new arrival by itself.
    func rearm(_ fd: CInt, _ events: UInt32) {}

    /// Asks the kernel by modifying the registration: it keeps registrations by number and file, and drops them when the last
    /// number of a file is closed. Asking reports an edge that has passed once more, which costs the owner one more attempt.
    func stillNames(_ fd: CInt, events: UInt32, token: UInt64) -> Bool {
        tandem_epoll_control(epoll, EPOLL_CTL_MOD, fd, events, token) == 0
    }

    func wait(nanoseconds: Int64) -> PollerAnswer {
        let found = Int(tandem_epoll_wait(epoll, events, CInt(EpollPoller.eventsPerWait), nanoseconds))
        return PollerAnswer(count: max(0, found), isComplete: found >= 0 && found < EpollPoller.eventsPerWait)
    }

    func event(_ index: Int) -> PollerEvent {
        PollerEvent(token: tandem_event_data(events + index), events: events[index].events)
    }
}
