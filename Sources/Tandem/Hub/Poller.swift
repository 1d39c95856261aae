internal import CTandem
internal import Glibc

/// The epoll instance, and who is registered under each descriptor number.
///
/// Events carry the number and its generation, so that an event for a descriptor that has been closed never reaches
/// the next owner of the number.
final class Poller {
    private static let eventsPerPoll = 256

    let wakeDescriptor: CInt
    private let epoll: CInt
    private let events: UnsafeMutablePointer<epoll_event>
    private var owners: UnsafeMutableBufferPointer<Slot>
    private var nextGeneration: UInt32 = 1
    private(set) var count = 0

    private struct Slot {
        var generation: UInt32 = 0
        var owner: Unmanaged<Descriptor>?
    }

    init() throws(TandemError) {
        epoll = epoll_create1(CInt(EPOLL_CLOEXEC))
        guard epoll >= 0 else { throw .systemCall("epoll_create1", errno) }
        wakeDescriptor = tandem_eventfd()
        guard wakeDescriptor >= 0 else {
            close(epoll)
            throw .systemCall("eventfd", -wakeDescriptor)
        }
        events = .allocate(capacity: Poller.eventsPerPoll)
        // Events come for the eventfd too, whatever its number.
        owners = .allocate(capacity: max(64, Int(wakeDescriptor) + 1))
        owners.initialize(repeating: Slot())
        // Edge-triggered: the counter is never read. Generation 0 is nobody else's.
        let failed = tandem_epoll_control(
            epoll, EPOLL_CTL_ADD, wakeDescriptor, EPOLLIN.rawValue | EPOLLET.rawValue, UInt64(UInt32(wakeDescriptor)))
        guard failed == 0 else { throw .systemCall("epoll_ctl", failed) }
    }

    deinit {
        owners.deallocate()
        events.deallocate()
        close(wakeDescriptor)
        close(epoll)
    }

    /// Registers the descriptor for these events. The caller keeps it alive until `remove`.
    func add(_ descriptor: Descriptor, fd: CInt, events: UInt32) throws(TandemError) {
        let number = Int(fd)
        guard number >= 0 else { throw .systemCall("epoll_ctl", EBADF) }
        if number >= owners.count { grow(toHold: number) }
        guard owners[number].owner == nil else {
            throw TandemError(
                .descriptorBusy, "file descriptor \(fd) is registered already: use the Descriptor that exists, or close it first")
        }
        let generation = nextGeneration
        nextGeneration = nextGeneration == .max ? 1 : nextGeneration + 1
        let failed = tandem_epoll_control(
            epoll, EPOLL_CTL_ADD, fd, events, UInt64(generation) << 32 | UInt64(UInt32(fd)))
        switch failed {
        case 0: break
        case EPERM:
            throw TandemError(
                .invalidArgument, "file descriptor \(fd) is a regular file or directory, which is always ready: read it directly",
                errno: EPERM)
        default: throw .systemCall("epoll_ctl", failed)
        }
        owners[number] = Slot(generation: generation, owner: .passUnretained(descriptor))
        count += 1
    }

    func modify(fd: CInt, events: UInt32) throws(TandemError) {
        let data = UInt64(owners[Int(fd)].generation) << 32 | UInt64(UInt32(fd))
        let failed = tandem_epoll_control(epoll, EPOLL_CTL_MOD, fd, events, data)
        guard failed == 0 else { throw .systemCall("epoll_ctl", failed) }
    }

    /// Forgets the descriptor. The kernel may have forgotten it already, when somebody closed the number behind our back.
    func remove(fd: CInt) {
        _ = tandem_epoll_control(epoll, EPOLL_CTL_DEL, fd, 0, 0)
        owners[Int(fd)].owner = nil
        count -= 1
    }

    /// Asks the kernel, for at most this long (negative: for ever), and tells the owners.
    func poll(nanoseconds: Int64, hub: Hub) {
        let found = tandem_epoll_wait(epoll, events, CInt(Poller.eventsPerPoll), nanoseconds)
        tandem_pulse_did_poll(hub.pulse)
        // EINTR, which a signal or SIGSTOP gives, is an empty turn.
        guard found > 0 else { return }
        for index in 0..<Int(found) {
            let data = tandem_event_data(events + index)
            let slot = owners[Int(UInt32(truncatingIfNeeded: data))]
            guard let owner = slot.owner, slot.generation == UInt32(data >> 32) else { continue }
            // Retained: what it calls may close it, and drop its last owner.
            owner.takeUnretainedValue().handle(events[index].events)
        }
    }

    private func grow(toHold number: Int) {
        let larger = UnsafeMutableBufferPointer<Slot>.allocate(capacity: max(owners.count * 2, number + 1))
        larger.initialize(repeating: Slot())
        for index in owners.indices { larger[index] = owners[index] }
        owners.deallocate()
        owners = larger
    }
}
