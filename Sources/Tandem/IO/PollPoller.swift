internal import CTandem
internal import Glibc

/// A poller that uses poll(2).
///
/// poll reports states, not changes. To make edges of them, a reported event is not requested again until it is re-armed. poll
/// reports errors and hang-ups without being asked, so after one of these the whole entry is skipped until it is re-armed.
final class PollPoller: Poller {
    private struct Registration {
        var events: UInt32
        let token: UInt64
        let file: tandem_file

        var isEdgeTriggered: Bool { events & EPOLLET.rawValue != 0 }
        var asked: Int16 { Int16(truncatingIfNeeded: events & ~EPOLLET.rawValue) }
    }

    let wakeDescriptor: CInt
    private var entries: [pollfd] = []
    // Parallel to `entries`, which must be a plain array for the kernel.
    private var registrations: [Registration] = []
    private var indices: [CInt: Int] = [:]
    private var told: [PollerEvent] = []

    init() throws(TandemError) {
        wakeDescriptor = tandem_eventfd()
        guard wakeDescriptor >= 0 else { throw .systemCall("eventfd", -wakeDescriptor) }
        try add(wakeDescriptor, events: EPOLLIN.rawValue, token: Registrations.nobody)
    }

    deinit { close(wakeDescriptor) }

    var watchDescriptor: CInt? { nil }

    func add(_ fd: CInt, events: UInt32, token: UInt64) throws(TandemError) {
        var file = tandem_file()
        let failed = tandem_identify(fd, &file)
        guard failed == 0 else { throw .systemCall("fstat", failed) }
        guard !file.is_always_ready else { throw .alwaysReady(fd) }
        let registration = Registration(events: events, token: token, file: file)
        indices[fd] = entries.count
        entries.append(pollfd(fd: fd, events: registration.asked, revents: 0))
        registrations.append(registration)
    }

    func modify(_ fd: CInt, events: UInt32, token: UInt64) throws(TandemError) {
        guard let index = indices[fd] else { throw .systemCall("poll", ENOENT) }
        registrations[index].events = events
        entries[index] = pollfd(fd: fd, events: registrations[index].asked, revents: 0)
    }

    func remove(_ fd: CInt) {
        guard let index = indices.removeValue(forKey: fd) else { return }
        // The last entry takes the place of the removed one.
        entries.swapAt(index, entries.count - 1)
        registrations.swapAt(index, registrations.count - 1)
        entries.removeLast()
        registrations.removeLast()
        if index < entries.count { indices[number(entries[index])] = index }
    }

    func rearm(_ fd: CInt, _ events: UInt32) {
        guard let index = indices[fd] else { return }
        entries[index].fd = fd
        entries[index].events |= registrations[index].asked & Int16(truncatingIfNeeded: events)
    }

    func stillNames(_ fd: CInt, events: UInt32, token: UInt64) -> Bool {
        guard let index = indices[fd] else { return false }
        var file = tandem_file()
        guard tandem_identify(fd, &file) == 0 else { return false }
        return file.device == registrations[index].file.device && file.inode == registrations[index].file.inode
    }

    func wait(nanoseconds: Int64) -> PollerAnswer {
        told.removeAll(keepingCapacity: true)
        let found = entries.withUnsafeMutableBufferPointer {
            tandem_poll($0.baseAddress!, CInt($0.count), nanoseconds)
        }
        guard found > 0 else { return PollerAnswer(count: 0, isComplete: found == 0) }
        for index in entries.indices where entries[index].fd >= 0 && entries[index].revents != 0 {
            told.append(
                PollerEvent(token: registrations[index].token, events: UInt32(UInt16(bitPattern: entries[index].revents))))
            if registrations[index].isEdgeTriggered { disarm(index) }
        }
        tandem_eventfd_drain(wakeDescriptor)
        return PollerAnswer(count: told.count, isComplete: true)
    }

    func event(_ index: Int) -> PollerEvent { told[index] }

    private func disarm(_ index: Int) {
        let unasked = Int16(POLLERR | POLLHUP | POLLNVAL)
        entries[index].events &= ~entries[index].revents
        if entries[index].revents & unasked != 0 { entries[index].fd = ~entries[index].fd }
    }

    /// Returns the number of an entry. poll skips negative numbers, so skipped entries have the complement of their number.
    private func number(_ entry: pollfd) -> CInt { entry.fd < 0 ? ~entry.fd : entry.fd }
}
